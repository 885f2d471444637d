"""The demo, as a newcomer's first command starts it."""

from case import case
from exposition import get
from peers.prometheus import promtool_check
from process import check


@case("demo/served", ("our_proxy", "prometheus"), java_passes=False)
def served(bench):
    proxy = bench.proxy(["--demo", "3"])
    proxy.await_connections(3)
    status, complaints = promtool_check(bench, proxy.scrape())
    check(status in (0, 3), f"promtool can read the demo; it ends with {status}: {complaints}")
    status, page = get(proxy.http, "/")
    check(status == 200 and "/metrics/connected" in page, "the page links to the metrics")
