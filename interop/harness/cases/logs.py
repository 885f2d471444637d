"""What the proxy's log tells an operator: who came and went, and what fails; once, and with who it is about."""

import json
import re
import socket

from case import case
from process import Failure, check, until
from variant import TCP


@case("logs/life-of-an-application", ("our_proxy", "our_client"), java_passes=False, transports=TCP)
def life(bench):
    """Connected; a scrape that fails, once; can be scraped again; gone. Each line says who, and where from."""
    proxy = bench.proxy()
    endpoint = bench.endpoint("told", 1)
    client = bench.our_client(proxy, endpoint, ["--label", "app=told"])
    line(proxy, "INFO.*connected")
    proxy.expect("told", 1)
    endpoint.broken = True
    for _ in range(4):
        proxy.scrape()
    line(proxy, "WARN.*scrape failed")
    endpoint.broken = False
    proxy.expect("told", 1)
    proxy.scrape()
    line(proxy, "INFO.*scraped again")
    client.process.kill()
    proxy.await_connections(0)
    line(proxy, "(INFO|WARN).*gone")


@case("logs/java-client-leaves", ("our_proxy", "java_client"), java_passes=False, transports=TCP)
def leaves(bench):
    """A Java application that closes is nothing to worry about."""
    proxy = bench.proxy()
    app = bench.java_client(proxy, "leaver", 1)
    proxy.expect("leaver", 1)
    before = len(proxy.process.lines())
    app.tell("close")
    app.await_disconnected()
    proxy.await_connections(0)
    until("its leaving is in the log", lambda: proxy.process.lines(before))
    proxy.scrape()
    said = proxy.process.lines(before)
    check(len(said) == 1 and " INFO " in said[0], f"an ordinary end is one line of INFO, and not {said}")


@case("logs/probes", ("our_proxy",), java_passes=False, transports=TCP)
def probes(bench):
    """Those who only look whether a port is open are counted, and do not fill the log."""
    proxy = bench.proxy()
    probes = (b"", b"x", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", bytes.fromhex("1603010200010001fc0303"), b"GET / HTTP/1.0\r\n\r\n", b"\r\n\r\n")
    before = len(proxy.process.lines())
    for port in (proxy.tcp, proxy.http):
        for number in range(120):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
                probe.sendall(probes[number % len(probes)])
    proxy.await_connections(0)
    proxy.scrape()
    said = proxy.process.lines(before)
    check(len(said) <= 20, f"240 probes are {len(said)} lines: {said[:8]}")
    counted = [name for name in re.findall(r"^(prometheus_proxy_connection_error_total\{[^}]*\}) [1-9]", proxy.own_metrics(), re.MULTILINE)]
    check(counted, "they are counted")


@case("logs/json", ("our_proxy", "our_client"), java_passes=False, transports=TCP)
def json_lines(bench):
    """Each line is an object of its own, with level, message and fields."""
    proxy = bench.proxy(["--log-format", "json"])
    client = bench.our_client(proxy, bench.endpoint("told", 1), ["--label", "app=told"])
    proxy.expect("told", 1)
    client.terminate()
    proxy.await_connections(0)
    proxy.stop()
    lines = proxy.process.lines()
    check(lines, "something is said")
    for text in lines:
        try:
            said = json.loads(text)
        except ValueError as error:
            raise Failure(f"no JSON: {text}") from error
        check(isinstance(said, dict) and "level" in said, f"there is a level in {text}")
    check(any("127.0.0.1:" in text and "told" in text for text in lines), f"who it is about is said: {lines}")


def line(proxy, pattern):
    """Fails unless exactly one line fits, and says who it is about."""
    proxy.process.find(pattern, 10)
    found = [text for text in proxy.process.lines() if re.search(pattern, text)]
    check(len(found) == 1, f"{pattern!r} is one line, and not {found}")
    check("told" in found[0] and "127.0.0.1:" in found[0], f"it says who it is about: {found[0]}")
