"""Our client behind an HTTP proxy, and as one push."""

from cases.admission import private
from cases.our_client import both
from exposition import ORDERS, orders
from peers.tinyproxy import PASSWORD, TinyProxy
from process import check

TINYPROXY = ("tinyproxy",)


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


@both("via-refused", needs=TINYPROXY)
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


@both("once-stdin")
def once_stdin(bench, proxy, _):
    """A text on standard input is pushed once, and served once it is asked for; what is no metrics is refused with its line."""
    client = bench.push_once(proxy, f'# TYPE {ORDERS} counter\n{ORDERS}{{app="nightly"}} 17\n')
    check(client.wait() == 0, "the metrics are stored")
    proxy.await_connections(0)
    check(orders(proxy.scrape(), "nightly") == 17, "the value that was pushed is served")
    client = bench.push_once(proxy, f"{ORDERS} 17\nTraceback (most recent call last):\n")
    check(client.wait() == 2, "what is no metrics ends it with 2")
    client.find("line 2")


@both("once")
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
