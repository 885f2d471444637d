"""The peers: ours, the Java ones, Prometheus, and a program with a /metrics endpoint."""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.parse

from process import LOGS, Failure, Process, until

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARIES = os.path.join(HERE, "..", "target", "release")
PROMETHEUS = os.path.join(HERE, ".cache", "prometheus", "usr", "bin")
# Small heaps, and the quick compiler only: these live for seconds.
JAVA = ["java", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, headers=None, seconds=30.0):
    """An HTTP GET: the status and the text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error!r}") from error
    finally:
        connection.close()


def value(text, series):
    """The value of a series, whose name and labels are given as a pattern; None if it is not there."""
    found = re.findall(rf"^{series} (\S+)$", text, re.MULTILINE)
    if len(found) > 1:
        raise Failure(f"{series} is there {len(found)} times")
    return float(found[0]) if found else None


def orders(name):
    return rf'interop_orders_total\{{application="{name}",?\}}'


class Proxy:
    """What both proxies can do."""

    def scrape(self, timeout=10):
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": str(timeout)}
        status, text = get(self.http, "/metrics/connected", headers, timeout + 5)
        if status != 200:
            raise Failure(f"/metrics/connected answers {status}: {text[:200]}")
        return text

    def expect(self, name, wanted, seconds=20.0):
        """Scrapes until an application's counter has a value, and gives the text."""

        def look():
            text = self.scrape()
            return text if value(text, orders(name)) == wanted else None

        return until(f"{name} is served with {wanted:g}", look, seconds)


class OurProxy(Proxy):
    def __init__(self, tcp=0, http=0, options=()):
        self.options = options
        self.start(tcp, http)

    def start(self, tcp, http):
        command = [os.path.join(BINARIES, "prometheus-rsocket-proxy"), "--listen-websocket=off"]
        command += [f"--listen-tcp=127.0.0.1:{tcp}", f"--listen-http=127.0.0.1:{http}"]
        self.process = Process("our-proxy", command + list(self.options))
        self.tcp = self.port("tcp")
        self.http = self.port("http")

    def port(self, listener):
        pattern = rf'listener="?{listener}"? address="?127\.0\.0\.1:(\d+)'
        return int(self.process.find(pattern)[1])

    def own(self):
        return get(self.http, "/metrics/proxy")[1]

    def restart(self):
        self.process.signal(signal.SIGTERM)
        status = self.process.wait()
        if status != 0:
            raise Failure(f"our proxy ended with {status} on SIGTERM")
        self.process.stop()
        self.start(self.tcp, self.http)


class JavaProxy(Proxy):
    def __init__(self):
        self.tcp, self.websocket, self.http = free_port(), free_port(), free_port()
        self.start()

    def start(self):
        classes = os.path.join(HERE, "java", "proxy", "target")
        command = JAVA + ["-cp", f"{classes}/classes:{classes}/dependency/*", "interop.Proxy"]
        command += [
            f"--server.port={self.http}",
            f"--micrometer.prometheus-proxy.tcp-port={self.tcp}",
            f"--micrometer.prometheus-proxy.websocket-port={self.websocket}",
        ]
        self.process = Process("java-proxy", command)
        # Its RSocket ports open a little after it says that it has started.
        until("the Java proxy listens", lambda: socket.create_connection(("127.0.0.1", self.tcp)).close() or True, 90)
        until("the Java proxy serves", lambda: get(self.http, "/metrics/connected"), 30)

    def restart(self):
        self.process.stop()
        self.start()


class JavaClient:
    """An application with Micrometer's client."""

    def __init__(self, proxy, name, count):
        classes = os.path.join(HERE, "java", "client", "target")
        command = JAVA + ["-cp", f"{classes}/classes:{classes}/dependency/*", "interop.Client"]
        self.process = Process(f"java-{name}", command + ["tcp", "127.0.0.1", str(proxy.tcp), name, str(count)])
        self.process.find("^CONNECTED$", 60)

    def tell(self, command):
        self.process.tell(command)
        self.process.find(f"^DONE {command}$")


class Endpoint:
    """A program with a /metrics endpoint, for our relay."""

    def __init__(self, name, count):
        self.name, self.count = name, count
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # The base class prescribes the name.
                body = f'# TYPE interop_orders_total counter\ninterop_orders_total{{application="{endpoint.name}"}} {endpoint.count}\n'
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class OurClient:
    """Our relay beside such a program."""

    def __init__(self, proxy, endpoint, options=()):
        command = [os.path.join(BINARIES, "prometheus-rsocket-client"), "--proxy", f"tcp://127.0.0.1:{proxy.tcp}"]
        command += ["--scrape", f"http://127.0.0.1:{endpoint.port}/metrics", *options]
        self.process = Process(f"our-{endpoint.name}", command)


class Prometheus:
    def __init__(self, proxy):
        self.port = free_port()
        config = os.path.join(LOGS, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                "scrape_configs:\n"
                "- {job_name: applications, metrics_path: /metrics/connected, honor_labels: true,\n"
                f"   static_configs: [{{targets: ['127.0.0.1:{proxy.http}']}}]}}\n"
                "- {job_name: proxy, metrics_path: /metrics/proxy,\n"
                f"   static_configs: [{{targets: ['127.0.0.1:{proxy.http}']}}]}}\n"
            )
        command = [os.path.join(PROMETHEUS, "prometheus"), f"--config.file={config}"]
        command += [f"--storage.tsdb.path={LOGS}-tsdb", f"--web.listen-address=127.0.0.1:{self.port}"]
        self.process = Process("prometheus", command)

    def query(self, expression):
        """The single value of an expression; None if it has none."""
        status, text = get(self.port, "/api/v1/query?query=" + urllib.parse.quote(expression))
        result = json.loads(text)["data"]["result"] if status == 200 else []
        return float(result[0]["value"][1]) if len(result) == 1 else None


def promtool(text):
    """What promtool has to say about an exposition: exit status and complaints."""
    command = [os.path.join(PROMETHEUS, "promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=30, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()
