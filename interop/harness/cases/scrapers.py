"""Those who read what the proxy serves: Prometheus and promtool."""

from case import case
from peers.prometheus import promtool_check
from process import check

# What promtool ends with when it has no complaint, and when it could read the text but dislikes a name.
CLEAN, DISLIKED = 0, 3


@case("prometheus/scrape", ("proxy", "java_client", "prometheus"))
def prometheus(bench):
    """Both endpoints are up for it, and the application's counter is in it and goes on."""
    proxy = bench.proxy()
    app = bench.java_client(proxy, "watched", 42)
    prometheus = bench.prometheus(proxy)
    for job in ("applications", "proxy"):
        prometheus.expect(f'up{{job="{job}"}}', 1, 30)
    counter = 'interop_orders_total{app="watched"}'
    prometheus.expect(counter, 42)
    app.tell("inc 1")
    prometheus.expect(counter, 43)
    prometheus.expect("prometheus_proxy_scrape_active_connections", 1)
    check(not prometheus.last_errors(), f"no scrape fails: {prometheus.last_errors()}")


@case("promtool/own-metrics", ("proxy", "java_client", "prometheus"), java_passes=False)
def own_metrics(bench):
    """It has no complaint about the proxy's own metrics, also not once all of them have values."""
    proxy = bench.proxy()
    app, _ = bench.java_clients(proxy, {"leaving": 1, "staying": 2})
    proxy.expect("leaving", 1)
    app.tell("push")
    proxy.await_connections(1)
    for _ in range(3):
        proxy.scrape()
    status, complaints = promtool_check(bench, proxy.own_metrics())
    check(status == CLEAN and not complaints, f"promtool ends with {status}: {complaints}")


@case("promtool/one-application", ("proxy", "java_client", "prometheus"))
def one_application(bench):
    """It can read a scrape; what it says about names is the application's affair."""
    proxy = bench.proxy()
    bench.java_client(proxy, "only", 1)
    readable(bench, proxy.expect("only", 1))


def readable(bench, text):
    status, complaints = promtool_check(bench, text)
    check(status in (CLEAN, DISLIKED) and "parsing error" not in complaints, f"promtool ends with {status}: {complaints}")
