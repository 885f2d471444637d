"""Prometheus itself at all ways of being scraped, also with three hundred applications."""

from case import case
from exposition import get
from peers import discovery
from peers.crowd import Crowd
from process import check, until
from variant import TCP

MANY = 300
# Only Prometheus' own `up` tells that it could not scrape a target.
JOBS = ("applications", "found")


@case("prometheus/targets", ("our_proxy", "our_client", "prometheus"), java_passes=False, transports=TCP)
def targets(bench):
    """Found through /sd, each application has an `up` of its own: 0 while it is gone, and its page says why."""
    proxy = bench.proxy()
    endpoints = {app: bench.endpoint(app, count) for app, count in (("staying", 5), ("leaving", 6))}
    clients = {app: bench.our_client(proxy, endpoint, ["--label", f"app={app}"]) for app, endpoint in endpoints.items()}
    until("both are found", lambda: len(discovery.targets(proxy)) == 2)
    prometheus = bench.prometheus(proxy, JOBS)
    for app, count in (("staying", 5), ("leaving", 6)):
        prometheus.expect(f'up{{job="found",app="{app}"}}', 1, 30)
        prometheus.expect(f'interop_orders_total{{job="found",app="{app}"}}', count)
        prometheus.expect(f'prometheus_proxy_app_up{{job="applications",app="{app}"}}', 1)
    clients["leaving"].process.kill()
    prometheus.expect('up{job="found",app="leaving"}', 0)
    prometheus.expect('prometheus_proxy_app_up{job="applications",app="leaving"}', 0)
    prometheus.expect('up{job="found",app="staying"}', 1)
    prometheus.expect('up{job="applications"}', 1)
    gone = discovery.target(proxy, app="leaving")
    status, body = discovery.scrape(proxy, gone)
    check(status >= 400 and "gone" in body, f"its page says why it is not there: {status} {body!r}")
    # It comes back under the path that it had.
    bench.our_client(proxy, endpoints["leaving"], ["--label", "app=leaving"])
    prometheus.expect('up{job="found",app="leaving"}', 1)
    back = discovery.target(proxy, app="leaving")
    check(back["__metrics_path__"] == gone["__metrics_path__"], f"it has another path than before: {gone} {back}")


@case("prometheus/many", ("our_proxy", "crowd", "prometheus"), java_passes=False, transports=TCP)
def many(bench):
    """Three hundred applications, in one scrape and in one each."""
    proxy = bench.proxy(["--identity-labels", "app"])
    crowd = Crowd(bench, proxy, MANY, samples=50)
    crowd.await_connected()
    proxy.scrape()
    prometheus = bench.prometheus(proxy, JOBS, interval="5s")
    prometheus.expect('count(up{job="found"})', MANY, 40)
    prometheus.expect('sum(up{job="found"})', MANY, 40)
    for job in JOBS:
        prometheus.expect(f'count(crowd_orders_total{{job="{job}"}})', 50 * MANY, 30)
    prometheus.expect('sum(prometheus_proxy_app_up{job="applications"})', MANY)
    crowd.set(3)
    for job in JOBS:
        prometheus.expect(f'sum(crowd_orders_total{{job="{job}",shelf="1"}})', 3 * MANY, 30)
    check(not prometheus.last_errors(), f"no scrape fails: {prometheus.last_errors()}")
    crowd.undisturbed()


@case("prometheus/quoted-names", ("our_proxy", "crowd", "prometheus"), java_passes=False, transports=TCP)
def quoted_names(bench):
    """One application with names that Prometheus 2 cannot read hurts no other, and is read with underscores itself."""
    proxy = bench.proxy(["--identity-labels", "app"])
    crowd = Crowd(bench, proxy, 3, ["quoted-names"])
    crowd.await_connected()
    proxy.scrape()
    prometheus = bench.prometheus(proxy, JOBS)
    for job in JOBS:
        for number in range(3):
            prometheus.expect(f'crowd_temperature_celsius{{job="{job}",app="good-{number}"}}', number + 0.5, 30)
        prometheus.expect(f'bad_quoted{{job="{job}",app="quoted"}}', 1)
        prometheus.expect(f'bad_label{{job="{job}",with_dot="x"}}', 1)
    prometheus.expect('min(up)', 1)
    # A scraper that can read them gets them as they are.
    _, text = get(proxy.http, "/metrics/connected", {"Accept": "text/plain;version=1.0.0;escaping=allow-utf-8"})
    check('{"bad.quoted",app="quoted"} 1' in text, f"quoted names are served to who reads them: {text[:500]}")
