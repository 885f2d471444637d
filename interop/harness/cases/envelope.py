"""Version 2 of the envelope: against an implementation that was written from its description, and with somebody on the way."""

import contextlib
import os

from case import case
from exposition import ORDERS
from peers.envelope import PythonApplication, PythonProxy, Spoiler
from peers.ours import OurClient
from process import check, until

TCP = ("tcp",)
HELLO, OFFER = b"x.prometheus-rsocket.hello.v1", b"x.prometheus-rsocket.offer.v2"


@case("envelope-2/python-application", ("our_proxy", "our_client", "envelope"), java_passes=False, transports=TCP)
def python_application(bench):
    """Answers, pushes, lost keys; and what is changed, replayed or meant for something else, which does the application's neighbour no harm."""
    proxy = bench.proxy()
    bench.our_client(proxy, bench.endpoint("neighbour", 5))
    proxy.expect("neighbour", 5)
    PythonApplication(bench, proxy, f'{ORDERS}{{app="neighbour"').await_passed()


def relayed(bench, version):
    proxy = PythonProxy(bench, version)
    client = OurClient(bench, proxy, bench.endpoint("relayed", 5))
    proxy.expect("SCRAPED", version, f'{ORDERS}{{app="relayed".*}} 5')
    # It looks for nothing but answers until then.
    until("there were three scrapes", lambda: sum(line.startswith("SCRAPED ") for line in proxy.process.lines()) == 3)
    client.terminate()
    proxy.expect("PUSHED", version, f'{ORDERS}{{app="relayed".*}} 5')
    proxy.process.find("^ENDED$")


@case("envelope-2/python-proxy", ("our_client", "envelope"), java_passes=False, transports=TCP)
def python_proxy(bench):
    """Our relay makes one key for a connection, wraps it once, and counts."""
    relayed(bench, 2)


@case("envelope-2/python-proxy-of-version-1", ("our_client", "envelope"), java_passes=False, transports=TCP)
def python_proxy_of_version_1(bench):
    """Without an offer it is version 1."""
    relayed(bench, 1)


@case("envelope-2/stripped", ("our_proxy", "our_client"), java_passes=False, transports=TCP)
def stripped(bench):
    """Who takes the hello or the offers away makes it version 1, unless one side requires version 2: then nothing gets through."""
    for entry in (HELLO, OFFER):
        proxy = bench.proxy()
        with contextlib.closing(Spoiler(proxy.port(bench.transport), entry)) as spoiler:
            strict = OurClient(bench, spoiler, bench.endpoint("strict", 5), ["--min-envelope", "2"])
            strict.process.find("WARN.*requires version 2 of the metrics envelope")
            check(spoiler.seen > 0, f"nobody says {entry}")
            check("strict" not in proxy.scrape(), "the proxy has metrics of a client that requires version 2")
            strict.process.kill()
            if entry == HELLO:
                bench.our_client(spoiler, bench.endpoint("lenient", 7))
                proxy.expect("lenient", 7)
        proxy.stop()
    proxy = bench.proxy(["--min-envelope", "2"])
    with contextlib.closing(Spoiler(proxy.port(bench.transport), HELLO)) as spoiler:
        client = OurClient(bench, spoiler, bench.endpoint("downgraded", 5))
        client.process.find("WARN.*requires version 2 of the metrics envelope")
        proxy.await_connection_errors("envelope")
        bench.our_client(proxy, bench.endpoint("direct", 5))
        proxy.expect("direct", 5)


@case("envelope-2/one-version-back", ("our_proxy", "our_client", "one_version_back"), java_passes=False, transports=("tcp", "websocket"), usual=False)
def one_version_back(bench):
    """Our programs of before and of today: either way round, it is version 1, for scrapes and the last push."""
    programs = bench.tools.one_version_back()
    earlier_client, earlier_proxy = (os.path.join(programs, f"prometheus-rsocket-{name}") for name in ("client", "proxy"))
    for proxy, client in ((bench.proxy(), earlier_client), (bench.proxy(program=earlier_proxy), bench.tools.our_client())):
        relay = OurClient(bench, proxy, bench.endpoint("mixed", 5), program=client)
        proxy.expect("mixed", 5)
        relay.terminate()
        proxy.await_connections(0)
        proxy.expect("mixed", 5)
