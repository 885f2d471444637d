"""The original proxy, and an application with Micrometer's client, both on a JVM."""

from exposition import accepts_connections, get
from peers.proxy import Proxy
from ports import free_port
from process import check, until

# Small heaps, and the quick compiler only: they live for seconds, and several share few cores.
JVM = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
# The client says "Connected to RSocket Proxy!" at every scrape.
QUIET = "-Dorg.slf4j.simpleLogger.log.io.micrometer.prometheus.rsocket=warn"


def java(folder, main_class):
    return [*JVM, QUIET, "-cp", f"{folder}/classes:{folder}/dependency/*", main_class]


class JavaProxy(Proxy):
    def __init__(self, bench):
        self.bench = bench
        self.tcp, self.websocket, self.http = free_port(), free_port(), free_port()
        self.process = None
        self.start()

    def start(self):
        self.process = self.bench.start(
            "java-proxy",
            [
                *java(self.bench.tools.java_proxy(), "interop.JavaProxy"),
                "--spring.main.banner-mode=off",
                "--server.address=127.0.0.1",
                f"--server.port={self.http}",
                f"--micrometer.prometheus-proxy.tcp-port={self.tcp}",
                f"--micrometer.prometheus-proxy.websocket-port={self.websocket}",
            ],
        )
        self.process.find("Started JavaProxy", 90)
        # The RSocket ports open a little after that line.
        for port in (self.tcp, self.websocket):
            until(f"the Java proxy listens on {port}", lambda port=port: accepts_connections(port), 30)
        until("the Java proxy serves", lambda: get(self.http, "/metrics/connected"), 30)

    def await_connections(self, count):
        """Nothing to wait for: it forgets a connection only when a scrape over it has failed."""

    def stop(self):
        self.process.terminate()


class JavaClient:
    def __init__(self, bench, proxy, app, counter, flags=(), generic=False):
        """`generic`: with the registry that Micrometer has since 1.13, which its RSocket client does not know."""
        folder, main_class = bench.tools.java_client(), "interop.JavaClient"
        if generic:
            folder, main_class = bench.tools.java_generic_client(), "interop.GenericClient"
        transport = bench.transport
        trusted = ["--tls-ca", bench.certificates.authority.ca] if transport.tls else []
        self.process = bench.start(
            f"java-{'generic-' if generic else ''}client-{app}",
            [
                *java(folder, main_class),
                *("--transport", transport.name, "--port", str(proxy.port(transport))),
                *("--app", app, "--counter", str(counter)),
                *trusted,
                *flags,  # After the others, which they may replace.
            ],
        )

    def await_connected(self, seconds=60.0, after=0):
        """Waits for the proxy's key: from then on it can be scraped, and can push."""
        self.process.find("^CONNECTED$", seconds, after)

    def await_disconnected(self, seconds=20.0, after=0):
        self.process.find("^DISCONNECTED$", seconds, after)

    def await_refused(self, seconds=20.0, after=0):
        """Waits until it could not connect."""
        self.process.find("^REFUSED$", seconds, after)

    def await_no_entry(self, seconds=60.0):
        """Waits until it could not connect, or was cut off: a client of TLS 1.3 is told that it may not enter after it has."""
        self.process.find("^(REFUSED|DISCONNECTED)$", seconds)
        check("CONNECTED" not in self.process.lines(), "it has got the proxy's key")

    def said(self):
        """How many lines it has said so far; what comes later is `after` them."""
        return len(self.process.lines())

    def tell(self, command):
        """Gives a command, and waits until it is through."""
        after = self.said()
        self.process.tell(command)
        self.process.find(f"^DONE {command}$", after=after)
