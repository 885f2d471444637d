"""Our client, which relays a program's /metrics endpoint, against either proxy."""

from case import case
from exposition import orders, value
from process import check, until
from variant import PLAIN


def both(name, java_seconds=20.0, our_seconds=20.0, needs=(), group="our-client"):
    """Makes a function of a bench, a proxy and a time limit a case against either proxy. Those of the group `our-client` run over every transport."""

    def add(function):
        # It has no TLS.
        @case(f"{group}/java-proxy/{name}", ("java_proxy", "our_client", *needs), java_passes=False, transports=PLAIN)
        def against_java(bench):
            function(bench, bench.java_proxy(), java_seconds)

        # Put in place of ours, the Java proxy would only repeat the case above.
        @case(f"{group}/our-proxy/{name}", ("our_proxy", "our_client", *needs), java_passes=False)
        def against_ours(bench):
            function(bench, bench.proxy(), our_seconds)

        return function

    return add


@both("scrape")
def scrape(bench, proxy, seconds):
    endpoint = bench.endpoint("relayed", 5)
    bench.our_client(proxy, endpoint)
    proxy.expect("relayed", 5, seconds)
    endpoint.count = 6
    check(orders(proxy.scrape(), "relayed") == 6, "the next scrape follows the endpoint")


@both("labels")
def labels(bench, proxy, seconds):
    """Labels of its own in SETUP are nothing to a proxy that does not know them."""
    endpoint = bench.endpoint("labelled", 5)
    bench.our_client(proxy, endpoint, ["--label", "app=labelled", "--label", "zone=north"])
    text = proxy.expect("labelled", 5, seconds)
    if proxy.knows_labels:
        check(value(text, "prometheus_proxy_app_up", app="labelled", zone="north") == 1, "it is up, by the labels that it said")
    endpoint.count = 6
    check(orders(proxy.scrape(), "labelled") == 6, "the next scrape follows the endpoint")


@both("push")
def push(bench, proxy, seconds):
    """SIGTERM makes it read the endpoint a last time and push that."""
    endpoint = bench.endpoint("ending", 5)
    client = bench.our_client(proxy, endpoint)
    proxy.expect("ending", 5, seconds)
    endpoint.count = 11
    client.terminate()
    # Whoever reads the endpoint from now on has this.
    endpoint.count = 99
    proxy.await_connections(0)
    served = orders(proxy.scrape(), "ending")
    check(served == 11, f"the next scrape has the value that was pushed, 11, and not {served}")


# A JVM needs its time to be there again; our first retries are a second apart.
@both("reconnect", java_seconds=60.0, our_seconds=30.0)
def reconnect(bench, proxy, seconds):
    endpoint = bench.endpoint("returning", 5)
    bench.our_client(proxy, endpoint)
    proxy.expect("returning", 5)
    proxy.restart()
    endpoint.count = 7
    until_served = lambda: orders(proxy.scrape(), "returning") == 7
    until("it is served by the restarted proxy", until_served, seconds, pause=0.2)
