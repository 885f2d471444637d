"""The demo, as a newcomer's first command starts it."""

from case import case
from exposition import get, value
from process import check
from variant import TCP


@case("demo/served", ("our_proxy",), java_passes=False, transports=TCP)
def served(bench):
    proxy = bench.proxy(["--demo", "3"])
    proxy.await_connections(3)
    text = proxy.scrape()
    for number in (1, 2, 3):
        check(value(text, "demo_orders_total", application=f"demo-{number}") is not None, f"demo-{number} is served")
    status, page = get(proxy.http, "/")
    check(status == 200 and "/metrics/connected" in page, "the page links to the metrics")
