"""The programs that are measured, and those that measure."""

import os

from tools import PROGRAMS_DIR, Tools, cargo_release, has_openssl


class Programs:
    """Builds what the chosen measures need; nothing is built again that is up to date."""

    def __init__(self, backends, has_java, only):
        self.folder = cargo_build("openssl" in backends)
        tools = Tools()
        self.java = tools.java_proxy() if has_java else None
        self.prometheus = tools.prometheus() if "targets" in only else None

    @property
    def proxy(self):
        return os.path.join(self.folder, "prometheus-rsocket-proxy")

    @property
    def load(self):
        return os.path.join(self.folder, "load")

    @property
    def floor(self):
        return os.path.join(self.folder, "floor")


def cargo_build(needs_openssl):
    """One proxy with both runtimes, the load generator and the floor; gives their folder, or the one of `PROGRAMS_DIR`."""
    if PROGRAMS_DIR:
        return PROGRAMS_DIR
    features = ["prometheus-rsocket-proxy/smol"]
    if needs_openssl:
        features.append("prometheus-rsocket-benches/openssl-vendored")
        # As for the interop runs: the system's OpenSSL where its headers are there, else it is built.
        if has_openssl():
            os.environ.setdefault("OPENSSL_NO_VENDOR", "1")
    packages = ["-p", "prometheus-rsocket-proxy", "-p", "prometheus-rsocket-benches"]
    return cargo_release("--bins", *packages, "--features", ",".join(features))
