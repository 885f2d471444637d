"""Micrometer's Java client against the proxy."""

import subprocess
import time

from case import case
from exposition import orders, value
from process import check
from variant import TCP

NEEDS = ("proxy", "java_client")


@case("java-client/scrape", NEEDS)
def scrape(bench):
    """A scrape has the counter's value, and follows it."""
    proxy = bench.proxy()
    app = bench.java_client(proxy, "shop", 42)
    text = proxy.expect("shop", 42)
    check("# TYPE interop_orders_total counter" in text, "the type of the counter is there")
    app.tell("inc 5")
    check(orders(proxy.scrape(), "shop") == 47, "the next scrape has what was added")


@case("java-client/rsa-backends", ("our_proxy", "java_client"), java_passes=False, transports=TCP)
def rsa_backends(bench):
    """Each RSA backend that is built in opens what the client seals, and is named in the proxy's own metrics."""
    usage = subprocess.check_output([bench.tools.our_proxy(), "--help"], text=True)
    # Cargo builds it with all features here; a program that PROXY_BIN names may be without OpenSSL.
    for backend in ("rust",) if "not built in: openssl" in usage else ("rust", "openssl"):
        for bits in ("2048", "4096"):
            proxy = bench.proxy(["--rsa-backend", backend, "--key-bits", bits])
            built = value(proxy.own_metrics(), "prometheus_proxy_build_info", rsa_backend=backend)
            check(built == 1, f"the backend is {backend}")
            app = bench.java_client(proxy, f"{backend}-{bits}", 42)
            proxy.expect(f"{backend}-{bits}", 42)
            app.tell("inc 5")
            app.tell("push")
            app.await_disconnected()
            proxy.await_connections(0)
            proxy.expect(f"{backend}-{bits}", 47)


@case("java-client/newer-registry", ("proxy", "java_generic_client"))
def newer_registry(bench):
    """Micrometer's registry of 1.13 and later, whose text the client is given by a supplier."""
    proxy = bench.proxy()
    app = bench.java_generic_client(proxy, "newer", 42)
    text = proxy.expect("newer", 42)
    check("# TYPE interop_orders_total counter" in text, "the type of the counter is there")
    app.tell("inc 5")
    check(orders(proxy.scrape(), "newer") == 47, "the next scrape has what was added")
    app.tell("inc 1")
    app.tell("push")
    app.await_disconnected()
    proxy.await_connections(0)
    proxy.expect("newer", 48)


@case("java-client/sends-openmetrics", ("our_proxy", "java_generic_client"), java_passes=False)
def sends_openmetrics(bench):
    """The same registry may send OpenMetrics: who scrapes text gets text."""
    proxy = bench.proxy()
    bench.java_generic_client(proxy, "open", 42, ["--openmetrics", "true"])
    text = proxy.expect("open", 42)
    check("# TYPE interop_orders_total counter" in text, "the counter's type is that of its samples")
    check("# EOF" not in text, "there is no end within a text")


@case("java-client/many-series", NEEDS)
def many_series(bench):
    """An answer of some hundred kilobytes arrives whole."""
    proxy = bench.proxy()
    bench.java_client(proxy, "warehouse", 1, ["--cardinality", "5000"])
    text = proxy.expect("warehouse", 1)
    series = sum(line.startswith("interop_items_total{") for line in text.splitlines())
    check(series == 5000, f"{series} of 5000 series are there")


@case("java-client/two-applications", NEEDS)
def two_applications(bench):
    """Both are in one and the same scrape."""
    proxy = bench.proxy()
    bench.java_clients(proxy, {"first": 42, "second": 7})
    text = proxy.expect("first", 42)
    check(orders(text, "second") == 7, "the second one is in the same scrape")


@case("java-client/push", NEEDS)
def push(bench):
    last_metrics_are_served(bench, "push")


@case("java-client/push-blocking", NEEDS)
def push_blocking(bench):
    last_metrics_are_served(bench, "push-blocking")


def last_metrics_are_served(bench, command):
    proxy = bench.proxy()
    app = bench.java_client(proxy, "batch", 1)
    proxy.expect("batch", 1)
    app.tell("inc 8")
    app.tell(command)
    app.await_disconnected()
    # Only a live scrape could see this: the program goes on without its connection.
    app.tell("inc 100")
    proxy.await_connections(0)
    served = orders(proxy.scrape(), "batch")
    check(served == 9, f"the next scrape has the value that was pushed, 9, and not {served}")
    # How long it is held is the proxy's affair, but live it is no more.
    served = orders(proxy.scrape(), "batch")
    check(served in (None, 9), f"the scrape after it has no newer value, as {served} would be")


@case("java-client/close", NEEDS)
def close(bench):
    """An application that closes without a push is gone, and its closing costs the other nothing."""
    proxy = bench.proxy()
    leaving, _ = bench.java_clients(proxy, {"leaving": 1, "staying": 2})
    proxy.expect("leaving", 1)
    leaving.tell("close")
    leaving.await_disconnected()
    proxy.await_connections(1)
    text = proxy.scrape()
    check(orders(text, "leaving") is None, "the one that has closed is not served")
    check(orders(text, "staying") == 2, "the other one is")


@case("java-client/killed", NEEDS)
def killed(bench):
    """The next scrape after a kill is answered in time, without the one and with the other."""
    proxy = bench.proxy()
    victim, _ = bench.java_clients(proxy, {"victim": 1, "witness": 2})
    proxy.expect("victim", 1)
    victim.process.kill()
    text = proxy.scrape(seconds=3)
    check(orders(text, "victim") is None, "the one that was killed is not served")
    check(orders(text, "witness") == 2, "the other one is")


@case("java-client/hung", NEEDS, java_passes=False)
def hung(bench):
    """One that hangs, its connection open, costs the other nothing, and is back when it goes on."""
    proxy = bench.proxy()
    sleeper, _ = bench.java_clients(proxy, {"sleeper": 1, "awake": 2})
    proxy.expect("sleeper", 1)
    sleeper.process.pause()
    text = proxy.scrape(seconds=3)
    check(orders(text, "awake") == 2, "the one that runs is served")
    check(orders(text, "sleeper") is None, "the one that hangs is not")
    # Its late answer must not be taken for one to this scrape.
    check(orders(proxy.scrape(seconds=3), "awake") == 2, "the next scrape serves it as well")
    sleeper.process.resume()
    sleeper.tell("inc 10")
    proxy.expect("sleeper", 11)


@case("java-client/reconnect", NEEDS)
def reconnect(bench):
    """It comes back to a proxy that was away. Its first retry is 10 to 15 s after a connection was refused."""
    proxy = bench.proxy()
    app = bench.java_client(proxy, "patient", 3)
    proxy.expect("patient", 3)
    after = app.said()
    proxy.stop()
    app.await_refused(after=after)
    app.tell("inc 1")
    proxy.start()
    app.await_connected(60, after=after)
    proxy.expect("patient", 4)


@case("java-client/connection-age", ("our_proxy", "java_client"), java_passes=False)
def connection_age(bench):
    """Where connections become 3 s old at most, it comes back each time, and no scrape misses it."""
    proxy = bench.proxy(["--max-connection-age", "3s"])
    app = bench.java_client(proxy, "moving", 7)
    proxy.expect("moving", 7)
    connections = lambda: app.process.lines().count("CONNECTED")

    def missed():
        """How many scrapes miss it while three connections become too old."""
        first, missed = connections(), 0
        while connections() < first + 3:
            missed += orders(proxy.scrape(), "moving") != 7
            time.sleep(0.9)
        return missed

    # It goes right after a scrape, and is away for some ten milliseconds; on a busy machine that may be longer.
    check(missed() == 0 or missed() == 0, "scrapes miss it again and again")
