"""The cases. Each is a function that raises Failure; its name is what is reported."""

import signal
import socket
import time

from peers import (
    Endpoint, JavaClient, JavaProxy, OurClient, OurProxy, Prometheus, get, orders, promtool, value,
)
from process import Failure, until


def check(condition, what):
    if not condition:
        raise Failure(what)


# The Java client against our proxy


def java_client_is_scraped_while_two_applications_run():
    proxy = OurProxy()
    first = JavaClient(proxy, "first", 42)
    JavaClient(proxy, "second", 7)
    text = proxy.expect("first", 42)
    check(value(text, orders("second")) == 7, "both applications are in one scrape")
    first.tell("inc 5")
    proxy.expect("first", 47)


def java_client_pushes_without_waiting():
    pushes("push")


def java_client_pushes_and_waits():
    pushes("push-blocking")


def pushes(command):
    proxy = OurProxy()
    app = JavaClient(proxy, "dying", 1)
    proxy.expect("dying", 1)
    app.tell("inc 8")
    app.tell(command)
    app.process.stop()
    held = lambda: value(proxy.own(), "prometheus_proxy_pushes_held") == 1
    until("the push is held", held)
    gone = lambda: value(proxy.own(), "prometheus_proxy_scrape_active_connections") == 0
    until("the application is gone", gone)
    check(value(proxy.scrape(), orders("dying")) == 9, "the next scrape has the last value")
    check(value(proxy.scrape(), orders("dying")) is None, "the scrape after it has not")


def java_client_is_killed():
    proxy = OurProxy()
    killed = JavaClient(proxy, "killed", 1)
    JavaClient(proxy, "other", 2)
    proxy.expect("killed", 1)
    killed.process.signal(signal.SIGKILL)
    killed.process.wait()
    text = proxy.expect("other", 2)
    check(value(text, orders("killed")) is None, "the killed one is not there")


def java_client_hangs():
    proxy = OurProxy()
    hung = JavaClient(proxy, "hung", 1)
    JavaClient(proxy, "other", 2)
    proxy.expect("hung", 1)
    hung.process.signal(signal.SIGSTOP)
    started = time.monotonic()
    text = proxy.scrape(timeout=3)
    took = time.monotonic() - started
    check(took < 3, f"the answer came after {took:.2f} s, past the scraper's limit")
    check(value(text, orders("other")) == 2, "the other one is there")
    check(value(text, orders("hung")) is None, "the hung one is not")
    hung.process.signal(signal.SIGCONT)
    proxy.expect("hung", 1)


def java_client_reconnects_after_our_restart():
    proxy = OurProxy()
    JavaClient(proxy, "faithful", 3)
    proxy.expect("faithful", 3)
    proxy.restart()
    # Its own backoff begins at 10 s.
    proxy.expect("faithful", 3, seconds=60)


def bad_input_disturbs_no_java_client():
    proxy = OurProxy()
    JavaClient(proxy, "steady", 4)
    setup = bytes.fromhex("00000000 0400 0001 0001 00004e20 00015f90".replace(" ", "")) + (b"\x12application/binary" * 2)
    answer = exchange(proxy.tcp, len(setup).to_bytes(3, "big") + setup)
    check(answer[3:].startswith(bytes.fromhex("000000002c0000000001")), f"SETUP 1.1 is answered by {answer.hex()}")
    check(b"Unsupported version: 1.1" in answer, "the answer names the version")
    answer = exchange(proxy.tcp, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    check(answer[3:].startswith(bytes.fromhex("000000002c0000000001")), f"HTTP is answered by {answer.hex()}")
    answer = exchange(proxy.http, b"\x00\x01\x02 no HTTP\r\n\r\n")
    check(answer.startswith(b"HTTP/1.1 400"), f"rubbish is answered by {answer[:40]!r}")
    proxy.expect("steady", 4)
    own = proxy.own()
    for series in (
        r'prometheus_proxy_connection_error_total\{cause="setup_version"\}',
        r'prometheus_proxy_connection_error_total\{cause="not_rsocket"\}',
        "prometheus_proxy_http_malformed_total",
    ):
        check(value(own, series) == 1, f"{series} is counted")


def exchange(port, data):
    """Sends bytes, and gives all that comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


# Our client


def our_client_relays_to_java_proxy():
    relays(JavaProxy(), 30)


def our_client_relays_to_our_proxy():
    relays(OurProxy(), 20)


def relays(proxy, seconds):
    """Scrape, reconnect after a restart, and the push on SIGTERM, against either proxy."""
    endpoint = Endpoint("relayed", 5)
    client = OurClient(proxy, endpoint)
    proxy.expect("relayed", 5)
    endpoint.count = 6
    proxy.expect("relayed", 6)
    proxy.restart()
    proxy.expect("relayed", 6, seconds)
    endpoint.count = 11
    client.process.signal(signal.SIGTERM)
    check(client.process.wait() == 0, "the client ends with status 0")
    proxy.expect("relayed", 11)


# Prometheus


def prometheus_scrapes_our_proxy():
    proxy = OurProxy()
    app = JavaClient(proxy, "watched", 42)
    prometheus = Prometheus(proxy)
    for job in ("applications", "proxy"):
        until(f"{job} is up", lambda job=job: prometheus.query(f'up{{job="{job}"}}') == 1, 30)
    counter = 'interop_orders_total{application="watched"}'
    until("Prometheus has the counter", lambda: prometheus.query(counter) == 42, 30)
    app.tell("inc 1")
    until("Prometheus follows it", lambda: prometheus.query(counter) == 43, 30)
    active = "prometheus_proxy_scrape_active_connections"
    until("Prometheus has the proxy's own", lambda: prometheus.query(active) == 1, 30)


def promtool_has_no_complaint():
    proxy = OurProxy()
    JavaClient(proxy, "checked", 1)
    proxy.expect("checked", 1)
    for text in (proxy.own(), proxy.scrape()):
        status, complaints = promtool(text)
        check(status == 0 and not complaints, f"promtool: {status} {complaints}")


# The demo, as the README's first command starts it


def the_demo_is_served():
    proxy = OurProxy(options=["--demo=3"])

    def connected():
        return value(proxy.own(), "prometheus_proxy_scrape_active_connections") == 3

    until("three example applications are connected", connected)
    status, complaints = promtool(proxy.scrape())
    check(status in (0, 3), f"promtool can read the demo: {status} {complaints}")
    status, page = get(proxy.http, "/")
    check(status == 200 and "/metrics/connected" in page, "the page links to the metrics")


CASES = [
    java_client_is_scraped_while_two_applications_run,
    java_client_pushes_without_waiting,
    java_client_pushes_and_waits,
    java_client_is_killed,
    java_client_hangs,
    java_client_reconnects_after_our_restart,
    bad_input_disturbs_no_java_client,
    our_client_relays_to_java_proxy,
    our_client_relays_to_our_proxy,
    prometheus_scrapes_our_proxy,
    promtool_has_no_complaint,
    the_demo_is_served,
]
