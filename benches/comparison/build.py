"""The programs that are measured, and those that measure."""

import json
import os
import shutil
import subprocess

from contestants import BACKENDS
from process import Unavailable
from tools import REPOSITORY, Tools, need, run


class Programs:
    """Builds what the chosen measures need; nothing is built again that is up to date."""

    def __init__(self, backends, has_java, only):
        """`backends`: those that must be there; None for those that can be."""
        has_openssl = finds_openssl()
        if backends and "openssl" in backends and not has_openssl:
            raise Unavailable("the backend openssl needs the library's development files, which pkg-config does not find")
        self.backends = backends or [name for name in BACKENDS if name != "openssl" or has_openssl]
        self.folder = cargo_build("openssl" in self.backends)
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


def finds_openssl():
    if not shutil.which("pkg-config"):
        return False
    return subprocess.run(["pkg-config", "--exists", "openssl"], check=False).returncode == 0


def cargo_build(has_openssl):
    """One proxy with both runtimes, the load generator and the floor; gives their folder."""
    need("cargo")
    features = ["prometheus-rsocket-proxy/smol"]
    if has_openssl:
        features.append("prometheus-rsocket-benches/openssl")
    packages = ["-p", "prometheus-rsocket-proxy", "-p", "prometheus-rsocket-benches"]
    run(["cargo", "build", "--release", "--locked", "--bins", *packages, "--features", ",".join(features)], REPOSITORY)
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    target = json.loads(subprocess.check_output(metadata, cwd=REPOSITORY))["target_directory"]
    return os.path.join(target, "release")
