"""Our client behind an HTTP proxy, as one push, and around a command."""

import os
import signal
import sys
from dataclasses import dataclass

from cases.admission import private
from cases.our_client import both
from exposition import ORDERS, orders
from peers.tinyproxy import PASSWORD, TinyProxy
from ports import free_port
from process import check, until

TINYPROXY = ("tinyproxy",)

# It counts how often it was asked for its metrics.
JOB = f"""
import http.server, signal, sys

class Metrics(http.server.BaseHTTPRequestHandler):
    count = 0

    def do_GET(self):
        Metrics.count += 1
        body = b'{ORDERS}{{app="job"}} %d\\n' % Metrics.count
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Metrics).serve_forever()
"""


@dataclass
class Elsewhere:
    """An endpoint of a program that the case does not start itself."""

    app: str
    port: int

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/metrics"


@both("via", needs=TINYPROXY)
def via(bench, proxy, seconds):
    """Through an HTTP proxy it is scraped, and pushes at its end."""
    tinyproxy = TinyProxy(bench)
    endpoint = bench.endpoint("tunnelled", 5)
    client = bench.our_client(proxy, endpoint, tinyproxy.flags(private(bench, "password", PASSWORD + "\n")))
    proxy.expect("tunnelled", 5, seconds)
    tinyproxy.await_connect(proxy.port(bench.transport))
    endpoint.count = 6
    check(orders(proxy.scrape(), "tunnelled") == 6, "the next scrape follows the endpoint")
    endpoint.count = 11
    client.terminate()
    proxy.await_connections(0)
    check(orders(proxy.scrape(), "tunnelled") == 11, "the value that was pushed is served")


@both("via-refused", group="relay", needs=TINYPROXY)
def via_refused(bench, proxy, _):
    """With a wrong password it is not let through, and says so without the password; nor without one."""
    tinyproxy = TinyProxy(bench)
    wrong = tinyproxy.flags(private(bench, "wrong", "tinyproxy-4712"))
    client = bench.our_client(proxy, bench.endpoint("refused", 5), wrong)
    client.process.find("not connected.*CONNECT 127.0.0.1.*does not take the user and password")
    check(not any("4712" in line for line in client.process.lines()), "the log has the password")
    anonymous = bench.our_client(proxy, bench.endpoint("anonymous", 5), ["--via", f"127.0.0.1:{tinyproxy.port}"])
    anonymous.process.find("not connected.*wants a user and password")
    check(orders(proxy.scrape(), "refused") is None, "it is served all the same")


@both("once-stdin", group="relay")
def once_stdin(bench, proxy, _):
    """A text on standard input is pushed once, and served once it is asked for; what is no metrics is refused with its line."""
    client = bench.push_once(proxy, f'# TYPE {ORDERS} counter\n{ORDERS}{{app="nightly"}} 17\n')
    check(client.wait() == 0, "the metrics are stored")
    proxy.await_connections(0)
    check(orders(proxy.scrape(), "nightly") == 17, "the value that was pushed is served")
    client = bench.push_once(proxy, f"{ORDERS} 17\nTraceback (most recent call last):\n")
    check(client.wait() == 2, "what is no metrics ends it with 2")
    client.find("line 2")


@both("command", group="relay")
def command(bench, proxy, seconds):
    """Around a job with an endpoint of its own: SIGTERM is passed on once its metrics were fetched, these are pushed, and its exit status is kept."""
    port = free_port()
    script = os.path.join(bench.folder, "job.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(JOB)
    job = [sys.executable, script, str(port)]
    client = bench.our_client(proxy, Elsewhere("job", port), ["--last-metrics-every", "1h", "--", *job])
    until("it is served", lambda: orders(proxy.scrape(), "job"), seconds, pause=0.2)
    before = orders(proxy.scrape(), "job")
    client.process.signal(signal.SIGTERM)
    check(client.process.wait() == 3, "it ends with the status of the job")
    proxy.await_connections(0)
    check(orders(proxy.scrape(), "job") == before + 1, "what was fetched last, before the signal, was pushed")


@both("once", group="relay")
def once(bench, proxy, _):
    """An endpoint is fetched and pushed once; one that gives no metrics ends it with 1."""
    endpoint = bench.endpoint("fetched", 18)
    client = bench.our_client(proxy, endpoint, ["--once"])
    check(client.process.wait() == 0, "the metrics are stored")
    proxy.await_connections(0)
    check(orders(proxy.scrape(), "fetched") == 18, "the value that was pushed is served")
    endpoint.broken = True
    client = bench.our_client(proxy, endpoint, ["--once"])
    check(client.process.wait() == 1, "without metrics it ends with 1")
