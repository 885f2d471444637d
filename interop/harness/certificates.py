"""Certificates for one run, made by openssl: nothing that could expire lies in the repository."""

import datetime
import os
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from process import Unavailable

# `openssl ca` is the one command of OpenSSL 3.0 that can make a certificate whose time is over.
CONFIGURATION = """\
[ca]
default_ca = authority
[authority]
database = {folder}/index
new_certs_dir = {folder}
certificate = {own.cert}
private_key = {own.key}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any_name
[any_name]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[server]
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[elsewhere]
extendedKeyUsage = serverAuth
subjectAltName = DNS:elsewhere.example
[client]
extendedKeyUsage = clientAuth
"""
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
RSA = ("-newkey", "rsa:2048", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """The paths of a certificate and its key, both PEM."""

    cert: str
    key: str

    def flags(self, prefix):
        """As options of a program of ours, or of the Java client: --PREFIX-cert and --PREFIX-key."""
        return [f"--{prefix}-cert", self.cert, f"--{prefix}-key", self.key]

    def der(self):
        """The certificate as a peer sees it, without what follows in its file."""
        end = ssl.PEM_FOOTER
        return ssl.PEM_cert_to_DER_cert(Path(self.cert).read_text(encoding="ascii").split(end)[0] + end)

    def copy(self, folder):
        """The same certificate as files of a case's own, which it may replace."""
        copied = Certificate(os.path.join(folder, "copied.pem"), os.path.join(folder, "copied.key"))
        copied.replace(self)
        return copied

    def replace(self, other):
        """Puts another certificate into these files, as an operator's tool would: each is replaced whole."""
        for old, new in ((self.key, other.key), (self.cert, other.cert)):
            shutil.copy(new, f"{old}.new")
            os.replace(f"{old}.new", old)


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder, parent=None):
        """Of a parent's, the certificates come with this one's own behind them: peers know the parent only."""
        self.folder = folder
        self.configuration = os.path.join(folder, "openssl.cnf")
        os.mkdir(folder)
        Path(folder, "index").touch()
        self.own = parent.issue("intermediate", "root") if parent else Certificate(f"{folder}/ca.pem", f"{folder}/ca.key")
        Path(self.configuration).write_text(CONFIGURATION.format(folder=folder, own=self.own), encoding="utf-8")
        if not parent:
            name = ["-subj", "/CN=interop", "-extensions", "root", "-days", "2"]
            self.openssl("req", "-x509", *EC, *name, "-keyout", self.own.key, "-out", self.own.cert)
        self.chain = Path(self.own.cert).read_text(encoding="ascii") if parent else ""

    @property
    def ca(self):
        """The file for whoever shall trust it."""
        return self.own.cert

    def issue(self, name, purpose, days=(-1, 2), kind=EC):
        """A certificate of this authority, valid between two days, counted from now."""
        path = os.path.join(self.folder, name)
        now = datetime.datetime.now(datetime.timezone.utc)
        start, end = ((now + datetime.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days)
        self.openssl("req", *kind, "-subj", f"/CN={name}", "-keyout", f"{path}.key", "-out", f"{path}.csr")
        times = ["-startdate", start, "-enddate", end, "-extensions", purpose]
        self.openssl("ca", "-batch", "-notext", *times, "-in", f"{path}.csr", "-out", f"{path}.pem")
        with open(f"{path}.pem", "a", encoding="ascii") as file:
            file.write(self.chain)
        return Certificate(f"{path}.pem", f"{path}.key")

    def openssl(self, command, *arguments):
        call = ["openssl", command, "-config", self.configuration, *arguments]
        done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise Unavailable(f"{' '.join(call)} failed: {done.stdout.decode(errors='replace')[-2000:]}")

    def trust(self, certificate=None):
        """What a Python client needs: this authority is the only one that it trusts, and the certificate is its own."""
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context


class Certificates:
    """All that the cases need, each made when it is needed first."""

    def __init__(self, folder):
        self.folder = folder

    @cached_property
    def authority(self):
        """The one that both sides trust."""
        return Authority(os.path.join(self.folder, "authority"))

    @cached_property
    def stranger(self):
        """One that nobody trusts unless told to. It has the other's name, or a JVM would not even show its certificates."""
        return Authority(os.path.join(self.folder, "stranger"))

    @cached_property
    def intermediate(self):
        """One that the former vouches for, as public ones have them."""
        return Authority(os.path.join(self.folder, "intermediate"), self.authority)

    @cached_property
    def server(self):
        return self.intermediate.issue("server", "server")

    @cached_property
    def server_elsewhere(self):
        """Of the right authority, for another host."""
        return self.authority.issue("server-elsewhere", "elsewhere")

    @cached_property
    def server_of_stranger(self):
        return self.stranger.issue("server", "server", kind=RSA)

    @cached_property
    def client(self):
        return self.authority.issue("client", "client")

    @cached_property
    def client_expired(self):
        return self.authority.issue("client-expired", "client", days=(-9, -2))

    @cached_property
    def client_of_stranger(self):
        return self.stranger.issue("client", "client")
