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
dir = {folder}
database = $dir/index
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
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
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """The paths of a certificate and its key, both PEM."""

    cert: str
    key: str

    def flags(self, prefix):
        """As options of a program of ours, or of the Java client: --PREFIX-cert and --PREFIX-key."""
        return [f"--{prefix}-cert", self.cert, f"--{prefix}-key", self.key]

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

    def __init__(self, folder):
        self.folder = folder
        self.ca = os.path.join(folder, "ca.pem")
        self.configuration = os.path.join(folder, "openssl.cnf")
        os.mkdir(folder)
        Path(self.configuration).write_text(CONFIGURATION.format(folder=folder), encoding="utf-8")
        Path(folder, "index").touch()
        name = ["-subj", f"/CN=interop {os.path.basename(folder)}", "-extensions", "root", "-days", "2"]
        self.openssl("req", "-x509", *NEW_KEY, *name, "-keyout", f"{folder}/ca.key", "-out", self.ca)

    def issue(self, name, purpose, days=(-1, 2)):
        """A certificate of this authority, valid between two days, counted from now."""
        path = os.path.join(self.folder, name)
        now = datetime.datetime.now(datetime.timezone.utc)
        start, end = ((now + datetime.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days)
        self.openssl("req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{path}.key", "-out", f"{path}.csr")
        times = ["-startdate", start, "-enddate", end, "-extensions", purpose]
        self.openssl("ca", "-batch", "-notext", *times, "-in", f"{path}.csr", "-out", f"{path}.pem")
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
        """One that nobody trusts unless told to."""
        return Authority(os.path.join(self.folder, "stranger"))

    @cached_property
    def server(self):
        return self.authority.issue("server", "server")

    @cached_property
    def server_elsewhere(self):
        """Of the right authority, for another host."""
        return self.authority.issue("server-elsewhere", "elsewhere")

    @cached_property
    def server_of_stranger(self):
        return self.stranger.issue("server", "server")

    @cached_property
    def client(self):
        return self.authority.issue("client", "client")

    @cached_property
    def client_expired(self):
        return self.authority.issue("client-expired", "client", days=(-9, -2))

    @cached_property
    def client_of_stranger(self):
        return self.stranger.issue("client", "client")
