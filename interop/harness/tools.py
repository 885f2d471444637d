"""The programs that the cases start: built or fetched when a case needs them, kept in a cache for the next run."""

import collections
import concurrent.futures
import functools
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

from certificates import Certificates
from process import Unavailable

INTEROP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(INTEROP)
CACHE = os.path.join(INTEROP, ".cache")
# A folder with all programs of ours, and `examples` in it, that cargo has made already.
PROGRAMS_DIR = os.environ.get("PROGRAMS_DIR")
# The last commit without version 2 of the envelope.
BEFORE_ENVELOPE_2 = "fc54cbeeef3c"


class Tools:
    """Each method gives a path, or what else its name says. `prepare` makes the programs; the methods are quick after that."""

    def __init__(self, set_count=0, kill_count=20):
        # How many sets of applications are generated and judged.
        self.set_count = set_count
        # How often a proxy that stores pushes is killed.
        self.kill_count = kill_count
        self.built = None
        self.certificates_made = None

    def prepare(self, names, jobs):
        """Makes ready what has these names, so many at a time."""

        def make(name):
            print(f"# preparing {name.replace('_', ' ')}", file=sys.stderr)
            getattr(self, name)()

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(make, sorted(names)))

    # Ours

    def our_proxy(self):
        return self.ours("PROXY_BIN", "prometheus-rsocket-proxy")

    def our_client(self):
        return self.ours("CLIENT_BIN", "prometheus-rsocket-client")

    def ours(self, variable, name):
        """Our program: the one that the environment names, else the one that cargo builds."""
        path = os.environ.get(variable) or os.path.join(self.cargo_build(), name)
        if not os.access(path, os.X_OK):
            raise Unavailable(f"{path} is no program")
        return path

    def cargo_build(self):
        """Builds both of ours in one go, for features shared the same way, and gives their folder."""
        if self.built is None:
            self.built = PROGRAMS_DIR
        if self.built is None:
            # With all features: one program has both runtimes, every transport and both RSA backends. OpenSSL is the system's where its headers
            # are there, else it is built.
            if has_openssl():
                os.environ.setdefault("OPENSSL_NO_VENDOR", "1")
            packages = ["-p", "prometheus-rsocket-proxy", "-p", "prometheus-rsocket-relay"]
            self.built = cargo_release("--bins", "--all-features", *packages)
        return self.built

    def one_version_back(self):
        """The folder of our programs as they were before version 2 of the envelope."""
        return earlier(BEFORE_ENVELOPE_2)

    def examples(self):
        """The folder of the examples of our client library."""
        folder = cargo_examples()
        if not os.access(os.path.join(folder, "prometheus_registry"), os.X_OK):
            raise Unavailable(f"{folder} has no examples")
        return folder

    def our_peer(self):
        return cargo_program("prometheus-rsocket-interop-peer", "--bins")

    def sets(self):
        """The generator of sets of applications."""
        return cargo_program("prometheus-rsocket-interop-sets", "--bins")

    def echo_std(self):
        return cargo_program("prometheus-rsocket-protocol", "--example=echo_std")

    def echo_mio(self):
        return cargo_program("prometheus-rsocket-protocol", "--example=echo_mio")

    def scrape_std(self):
        return cargo_program("prometheus-rsocket-protocol", "--example=scrape_std")

    # Java

    def java_general(self):
        return maven("general")

    def java_client(self):
        return maven("client")

    def java_generic_client(self):
        return maven("generic-client", "client")

    def java_proxy(self):
        return maven("proxy")

    # JavaScript

    def js_peers(self):
        """The folder of both versions of rsocket-js, with their libraries."""
        return node_project("js", "v0", "v1")

    # A browser

    def browser(self):
        """The command that looks at pages, with Chromium as its first argument: an installed one, else Debian's package, which is installed."""
        need("node")
        return ["node", os.path.join(node_project("browser", "."), "check.js"), chromium()]

    # Prometheus

    def prometheus(self, program="prometheus"):
        """Prometheus or promtool: an installed one, else that of Debian's package."""
        return shutil.which(program) or os.path.join(debian("prometheus"), "usr", "bin", program)

    def haproxy(self):
        """The command of HAProxy: an installed one, else that of Debian's package, with the libraries that few machines have."""
        if installed := shutil.which("haproxy"):
            return [installed]
        folder = debian("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")
        libraries = ":".join(glob.glob(os.path.join(folder, "usr", "lib", "*-linux-gnu*")))
        return ["env", f"LD_LIBRARY_PATH={libraries}", os.path.join(folder, "usr", "sbin", "haproxy")]

    def tinyproxy(self):
        """tinyproxy: an installed one, else that of Debian's package."""
        return shutil.which("tinyproxy") or os.path.join(debian("tinyproxy-bin"), "usr", "bin", "tinyproxy")

    def node_exporter(self):
        """node_exporter: an installed one, else that of Debian's package."""
        name = "prometheus-node-exporter"
        return shutil.which(name) or os.path.join(debian(name), "usr", "bin", name)

    def python_program(self):
        """The command of a program with Prometheus' Python client."""
        return [python_environment("judges/python"), "-B", "-u", os.path.join(INTEROP, "programs", "python.py")]

    def curl(self):
        need("curl")
        return "curl"

    # Written here, in Python with packages

    def crowd(self):
        """The command of the program that is many applications at once."""
        return [python_environment("crowd"), "-B", "-u", os.path.join(INTEROP, "crowd", "crowd.py")]

    def shop(self):
        """The command of the program that is many applications which go wrong when they are told so."""
        return [python_environment("crowd"), "-B", "-u", os.path.join(INTEROP, "crowd", "shop.py")]

    def jobs(self):
        """The command of the program that is many applications which end."""
        return [python_environment("crowd"), "-B", "-u", os.path.join(INTEROP, "crowd", "jobs.py")]

    def envelope(self, role="application"):
        """The command of one role of version 2 of the envelope."""
        return [python_environment("crowd"), "-B", "-u", os.path.join(INTEROP, "envelope", f"{role}.py")]

    def attacks(self):
        """The command of the program that attacks our proxy."""
        return [python_environment("crowd"), "-B", "-u", os.path.join(INTEROP, "attacks", "run.py")]

    def siege(self):
        """Likewise, with all attacks at once."""
        return [python_environment("crowd"), "-B", "-u", os.path.join(INTEROP, "attacks", "siege.py")]

    # Judges

    def judges(self):
        """The commands of the programs that have the parsers of Prometheus 3 and 2, and those of its Python client."""
        programs = [[os.path.join(go_judge(version), version)] for version in ("prometheus3", "prometheus2")]
        return [*programs, [python_environment("judges/python"), "-B", os.path.join(INTEROP, "judges", "python", "judge.py")]]

    # TLS

    def certificates(self):
        """Those of this run; another run has others."""
        if self.certificates_made is None:
            need("openssl")
            self.certificates_made = Certificates(tempfile.mkdtemp(prefix="interop-certificates-"))
        return self.certificates_made

    def part(self):
        """From here on this process has certificates of its own: openssl keeps what it issues in files that it does not lock."""
        if self.certificates_made is not None:
            self.certificates_made = Certificates(tempfile.mkdtemp(prefix="part-", dir=self.certificates_made.folder))

    def close(self):
        """Removes what is not kept for another run."""
        if self.certificates_made is not None:
            shutil.rmtree(self.certificates_made.folder, ignore_errors=True)


LOCKS = collections.defaultdict(threading.Lock)


def one_at_a_time(tool):
    """Makes calls that need this tool wait for each other: what they keep is made once, and not every tool bears another one of its kind."""

    def guard(function):
        @functools.wraps(function)
        def guarded(*arguments):
            with LOCKS[tool]:
                return function(*arguments)

        return guarded

    return guard


@functools.cache
def cargo_program(package, target):
    """Builds one program of ours, the only one or the example that `target` names, and gives its path."""
    example = target.removeprefix("--example=")
    name = package if example == target else os.path.join("examples", example)
    return os.path.join(PROGRAMS_DIR or cargo_release("-p", package, target), name)


@functools.cache
def cargo_examples():
    """Builds the examples of our client library, and gives their folder."""
    features = "blocking,metrics,prometheus,prometheus-client,smol"
    folder = PROGRAMS_DIR or cargo_release("-p", "prometheus-rsocket-client", "--examples", "--features", features)
    return os.path.join(folder, "examples")


def cargo_release(*arguments):
    """Builds what the arguments say, with all optimisation, and gives the folder of the programs."""
    return os.path.join(cargo_build("--release", *arguments), "release")


def cargo_optimised(*arguments):
    """The same with what others wrote as it is built for tests."""
    return os.path.join(cargo_build("--config", "benches/optimised.toml", *arguments), "debug")


@one_at_a_time("cargo")
def cargo_build(*arguments):
    """Builds what the arguments say, and gives the target directory."""
    need("cargo")
    run(["cargo", "build", "--locked", *arguments], REPOSITORY)
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    return json.loads(subprocess.check_output(metadata, cwd=REPOSITORY))["target_directory"]


def earlier(commit):
    """Builds our programs as they were at a commit, once, and gives their folder. A clone without that history does not have it."""
    output = os.path.join(CACHE, f"ours-{commit}")
    if not os.path.exists(os.path.join(output, "prometheus-rsocket-proxy")):
        need("cargo")
        source, target = os.path.join(CACHE, f"source-{commit}"), os.path.join(CACHE, f"target-{commit}")
        shutil.rmtree(source, ignore_errors=True)
        os.makedirs(source)
        archive = os.path.join(source, "archive.tar")
        run(["git", "archive", "-o", archive, commit], REPOSITORY)
        run(["tar", "xf", archive], source)
        packages = ["prometheus-rsocket-proxy", "prometheus-rsocket-relay"]
        command = ["cargo", "build", "--locked", "--bins", "--target-dir", target]
        # Beside tokio, which is the default.
        command += ["--features", ",".join(f"{package}/smol" for package in packages)]
        run([*command, *(part for package in packages for part in ("-p", package))], source)
        os.makedirs(output, exist_ok=True)
        for name in ("prometheus-rsocket-client", "prometheus-rsocket-proxy"):
            shutil.copy2(os.path.join(target, "debug", name), output)
        shutil.rmtree(target)
        shutil.rmtree(source)
    return output


@one_at_a_time("maven")
def maven(project, *others):
    """Builds a Java project, which has sources of others, unless these are those of the last build, and gives the folder of its classes."""
    source = os.path.join(INTEROP, "java", project)
    output = os.path.join(CACHE, f"java-{project}")
    stamp = os.path.join(output, "built-from")
    digest = "".join(digest_of(os.path.join(INTEROP, "java", folder)) for folder in (project, *others))
    if read(stamp) != digest:
        need("java")
        need("mvn")
        shutil.rmtree(output, ignore_errors=True)
        run(["mvn", "-q", "-B", f"-Doutput={output}", "package"], source)
        write(stamp, digest)
    return output


@one_at_a_time("npm")
def node_project(name, *parts):
    """Puts the sources in a folder and the libraries that the lock files of its parts name beside each other, outside of the source tree."""
    source = os.path.join(INTEROP, name)
    output = os.path.join(CACHE, name)
    stamp = os.path.join(output, "made-from")
    digest = digest_of(source)
    if read(stamp) != digest:
        need("node")
        need("npm")
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(source, output)
        for part in parts:
            run(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"], os.path.join(output, part))
        write(stamp, digest)
    return output


@one_at_a_time("apt")
def chromium():
    """The path of Chromium. Its libraries are too many to be unpacked beside it, so the package is installed where it is missing."""
    if not shutil.which("chromium"):
        need("apt-get")
        if os.geteuid() != 0:
            raise Unavailable("chromium is not installed, and only root can do that")
        install = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "chromium"]
        try:
            run(install, INTEROP)
        except Unavailable:
            # A new machine has no package lists yet.
            run(["apt-get", "-qq", "update"], INTEROP)
            run(install, INTEROP)
    return shutil.which("chromium")


@one_at_a_time("go")
def go_judge(name):
    """Builds a judge in Go unless its sources are those of the last build, and gives the folder that it is in."""
    folder = os.path.join(INTEROP, "judges")
    output = os.path.join(CACHE, f"judge-{name}")
    stamp = os.path.join(output, "built-from")
    digest = digest_of(os.path.join(folder, name)) + digest_of(os.path.join(folder, "stream"))
    if read(stamp) != digest:
        need("go")
        shutil.rmtree(output, ignore_errors=True)
        run(["go", "build", "-buildvcs=false", "-mod=readonly", "-o", os.path.join(output, name), "."], os.path.join(folder, name))
        write(stamp, digest)
    return output


@one_at_a_time("pip")
def python_environment(folder):
    """Makes an environment with the packages of a folder's `requirements.txt`, and gives its interpreter."""
    requirements = os.path.join(INTEROP, folder, "requirements.txt")
    output = os.path.join(CACHE, "python-" + folder.replace("/", "-"))
    interpreter = os.path.join(output, "bin", "python")
    stamp = os.path.join(output, "made-from")
    wanted = f"{sys.version}\n{read(requirements)}"
    if read(stamp) != wanted:
        shutil.rmtree(output, ignore_errors=True)
        run([sys.executable, "-m", "venv", output], INTEROP)
        run([interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], INTEROP)
        write(stamp, wanted)
    return interpreter


@one_at_a_time("apt")
def debian(package, *others):
    """Unpacks a package, and others that it needs, instead of installing it, as that would start its service. Gives their folder."""
    folder = os.path.join(CACHE, package)
    if not os.path.exists(folder):
        need("apt-get")
        need("dpkg")
        download = os.path.join(CACHE, f"download-{package}")
        shutil.rmtree(download, ignore_errors=True)
        os.makedirs(download)
        command = ["apt-get", "-qq", "download", package, *others]
        try:
            run(command, download)
        except Unavailable:
            # A new machine has no package lists yet.
            run(["apt-get", "-qq", "update"], download)
            run(command, download)
        # Moved into place only when whole.
        unpacked = os.path.join(download, "unpacked")
        for archive in glob.glob(os.path.join(download, "*.deb")):
            run(["dpkg", "-x", archive, unpacked], download)
        os.rename(unpacked, folder)
        shutil.rmtree(download)
    return folder


def has_openssl():
    """Whether programs can be built with the system's OpenSSL."""
    query = ["pkg-config", "--atleast-version=1.1.1", "openssl"]
    return shutil.which("pkg-config") is not None and subprocess.run(query, check=False).returncode == 0


def need(program):
    if not shutil.which(program):
        raise Unavailable(f"{program} is not installed")


def run(command, folder):
    """Runs a build step, whose output is shown only where it fails."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace")[-6000:])
        raise Unavailable(f"{' '.join(command)} failed with status {done.returncode}")


def digest_of(folder):
    """A digest over the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(glob.glob(os.path.join(folder, "**"), recursive=True)):
        if os.path.isfile(path):
            digest.update(os.path.relpath(path, folder).encode() + b"\0")
            with open(path, "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
