"""The proxies that are compared."""

from dataclasses import dataclass

from exposition import accepts_connections, get
from ports import free_port
from process import Process, log_path, until

RUNTIMES = ["tokio", "smol"]
# Who unwraps the keys of applications in version 1 of the envelope; version 2, where that is done once for each connection; or nobody: the
# proxy then asks them to send plain text.
BACKENDS = ["openssl", "rust", "v2", "plaintext"]
JAVA = "java"


@dataclass(frozen=True)
class Ours:
    runtime: str
    backend: str

    @property
    def name(self):
        return f"{self.runtime}-{self.backend}"

    @property
    def load(self):
        """How the load generator is told to seal."""
        return {"envelope": 2} if self.backend == "v2" else {}

    def command(self, programs, ports):
        how = {"plaintext": ["--envelope", "plaintext"], "v2": []}.get(self.backend, ["--rsa-backend", self.backend])
        return [
            *(programs.proxy, "--runtime", self.runtime, "--log", "warn", *how),
            *("--listen-tcp", f"127.0.0.1:{ports['tcp']}", "--listen-websocket", "off"),
            *("--listen-http", f"127.0.0.1:{ports['http']}"),
        ]


@dataclass(frozen=True)
class Java:
    name: str = JAVA
    load = {}

    def command(self, programs, ports):
        # The machine's JVM as it is: its heap may grow to a quarter of the memory.
        return [
            *("java", "-cp", f"{programs.java}/classes:{programs.java}/dependency/*", "interop.JavaProxy"),
            *("--spring.main.banner-mode=off", "--server.address=127.0.0.1", f"--server.port={ports['http']}"),
            f"--micrometer.prometheus-proxy.tcp-port={ports['tcp']}",
            f"--micrometer.prometheus-proxy.websocket-port={ports['websocket']}",
        ]


def choose(runtimes, backends, has_java):
    return [*(Ours(runtime, backend) for runtime in runtimes for backend in backends), *([Java()] if has_java else [])]


class Started:
    """A proxy that runs, freshly started. It is ended by its own id."""

    def __init__(self, contestant, programs, folder):
        self.ports = {listener: free_port() for listener in ("tcp", "websocket", "http")}
        self.process = Process(contestant.name, contestant.command(programs, self.ports), log_path(folder, contestant.name))
        try:
            path = "/metrics/connected"
            until(f"{contestant.name} serves", lambda: get(self.ports["http"], path)[0] == 200, 90)
            # Java opens its RSocket ports a little after that.
            until(f"{contestant.name} listens", lambda: accepts_connections(self.ports["tcp"]), 30)
        except BaseException:
            self.process.close()
            raise

    @property
    def pid(self):
        return self.process.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.close()
