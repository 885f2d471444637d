"""The proxy's key: kept in a file, replaced by another one, and pinned by clients."""

import os
import re
import subprocess

from case import case
from exposition import orders, value
from process import check

TCP = ("tcp",)
FAST = ["--tls-reload-interval", "100ms"]


def new_key(bench, name="new-key.pem"):
    """A key made by OpenSSL, which nobody else may read."""
    path = os.path.join(bench.folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        command = ["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        # The progress that it shows is no output.
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, timeout=60, check=True)
    return path


def sha256(path):
    public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], capture_output=True, timeout=60, check=True)
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=public.stdout, capture_output=True, timeout=60, check=True)
    return digest.stdout.decode().split()[0]


def has_keys(proxy, current, old=None):
    text = proxy.own_metrics()
    for state, fingerprint in (("current", current), ("old", old)):
        found = re.findall(rf'^prometheus_proxy_key_info\{{[^}}]*state="{state}"[^}}]*\}} 1', text, re.MULTILINE)
        check(len(found) == (fingerprint is not None), f"{len(found)} keys are {state}")
        check(all(fingerprint in line for line in found), f"the {state} key is {found}, not {fingerprint}")


@case("java-client/replaced-key", ("our_proxy", "java_client"), java_passes=False, transports=TCP)
def replaced_key(bench):
    """A connected Java client takes the key that comes in the place of its own: for scrapes, and for its last push."""
    path = new_key(bench, "key.pem")
    proxy = bench.proxy(["--key-file", path, *FAST])
    app = bench.java_client(proxy, "steady", 5)
    proxy.expect("steady", 5)
    before = sha256(path)
    has_keys(proxy, before)
    os.replace(new_key(bench), path)
    proxy.process.find("INFO.*applications seal with another key")
    has_keys(proxy, sha256(path), before)
    app.tell("inc 1")
    check(orders(proxy.scrape(), "steady") == 6, "it is scraped under the new key")
    app.tell("inc 1")
    app.tell("push")
    app.await_disconnected()
    proxy.await_connections(0)
    proxy.expect("steady", 7)
    errors = value(proxy.own_metrics(), "prometheus_proxy_application_error_total", cause="unwrap")
    check(errors == 0, f"{errors} times it sealed under a key that is not known")


@case("our-client/pinned-key", ("our_proxy", "our_client"), java_passes=False, transports=TCP)
def pinned_key(bench):
    """A relay with a pin comes back to a proxy that keeps its key, and not to one that has another; with a file, the first key counts."""
    path = new_key(bench, "key.pem")
    proxy = bench.proxy(["--key-file", path], comes_back=True)
    remembered = os.path.join(bench.folder, "known-proxies")
    quick = ["--backoff-min", "100ms", "--backoff-max", "200ms"]
    bench.our_client(proxy, bench.endpoint("pinned", 5), ["--proxy-key-sha256", sha256(path), *quick])
    bench.our_client(proxy, bench.endpoint("first-use", 5), ["--proxy-key-file", remembered, *quick])
    both = ("pinned", "first-use")
    for app in both:
        proxy.expect(app, 5)
    proxy.restart()
    for app in both:
        proxy.expect(app, 5)
    before = sha256(path)
    os.replace(new_key(bench), path)
    proxy.restart()
    for process in bench.processes:
        if process.name.startswith("our-client"):
            process.find(f"WARN.*{sha256(path)}.*{before}|WARN.*{before}.*{sha256(path)}")
    text = proxy.scrape()
    check(all(orders(text, app) is None for app in both), "a proxy with another key has the metrics")
