"""The examples of our client library, as applications: the sources behind either proxy, read by Prometheus, and the others behind ours."""

import os
import signal

from case import case
from exposition import get, value
from ports import free_port
from process import check, until
from variant import TCP

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
# Of each family the type, and the values of series. Buckets are found by either way to write a number.
ORDERS = {"orders_total": (COUNTER, {'orders_total{kind="book"}': 3, 'orders_total{kind="7\\" single"}': 1})}
OPEN = {"open_orders": (GAUGE, {"open_orders": 2})}


def durations(name):
    values = {f'{name}_bucket{{le="0.1"}}': 0, f'{name}_bucket{{le=~"1|1.0"}}': 1, f"{name}_count": 1, f"{name}_sum": 0.5}
    return {name: (HISTOGRAM, values)}


SOURCES = {
    "prometheus_registry": ORDERS | OPEN | durations("order_duration_seconds"),
    "prometheus_client_registry": {
        "orders_total": (COUNTER, {"orders_total": 3}),
        "open_orders": (GAUGE, {'open_orders{kind="7\\" single"}': 2}),
        # As 0.0.4, which the Java proxy is given, has no such type.
        "build_info": ("info", {"build_info": 1}),
        **durations("order_seconds"),
    },
    "metrics_facade": ORDERS | OPEN | durations("order_duration_seconds"),
    "opentelemetry": {"orders_total": (COUNTER, {'orders_total{kind="book"}': 3}), **OPEN, **durations("order_duration_seconds")},
    "several_registries": {
        "orders_total": (COUNTER, {'orders_total{shop="old"}': 3, 'orders_total{shop="new"}': 4}),
        **OPEN,
    },
}


def add(name, families):
    @case(f"sources/java-proxy/{name}", ("java_proxy", "examples", "prometheus"), java_passes=False, transports=TCP)
    def against_java(bench):
        look(bench, bench.java_proxy(), name, families, types={"info": GAUGE})

    @case(f"sources/our-proxy/{name}", ("our_proxy", "examples", "prometheus"), java_passes=False, transports=TCP)
    def against_ours(bench):
        proxy = bench.proxy()
        process = look(bench, proxy, name, families, types={})
        # Its last metrics are pushed.
        process.signal(signal.SIGINT)
        check(process.wait() == 0, f"{name} ends in order")


def look(bench, proxy, name, families, types):
    """Starts an application, and waits until Prometheus has what it has: `types` are those that become others on the way."""
    process = example(bench, proxy, name)
    prometheus = bench.prometheus(proxy, jobs=("applications",))
    for family, (kind, values) in families.items():
        for series, wanted in values.items():
            prometheus.expect(series, wanted, 30)
        kind = types.get(kind, kind)
        found = type_of(prometheus, family)
        check(found == kind, f"the type of {family} is {kind}, and not {found}")
    return process


for name, families in SOURCES.items():
    add(name, families)


def type_of(prometheus, family):
    """The type that Prometheus knows of a family, which in OpenMetrics has a name without the suffix of its samples."""
    for name in (family, family.removesuffix("_total").removesuffix("_info")):
        if entries := prometheus.api(f"metadata?metric={name}").get(name):
            return entries[0]["type"]
    return None


@case("sources/our-proxy/openmetrics", ("our_proxy", "examples"), java_passes=False, transports=TCP)
def openmetrics(bench):
    """What text 0.0.4 does not have comes through to who asks for OpenMetrics: units, exemplars, and the type info."""
    proxy = bench.proxy()
    example(bench, proxy, "prometheus_client_registry")

    def is_there():
        text = get(proxy.http, "/metrics/connected", OPENMETRICS)[1]
        for part in ("# TYPE build info\n", "# UNIT order_seconds seconds\n", '# {trace_id="4bf92f3577b34da6"} 3.0'):
            check(part in text, f"{part!r} is in the scrape")
        return True

    until("it is served as OpenMetrics", is_there)


@case("client-examples/axum-service", ("our_proxy", "examples"), java_passes=False, transports=TCP)
def axum_service(bench):
    proxy, port = bench.proxy(), free_port()
    service = example(bench, proxy, "axum_service", f"127.0.0.1:{port}")
    service.find("^listening on ")
    for name in ("Ada", "Grace"):
        status, text = get(port, f"/hello/{name}")
        check((status, text) == (200, f"Hello, {name}!\n"), f"it answers {status}: {text}")
    served(proxy, "http_request_duration_seconds_count", 2, HISTOGRAM, path="/hello/{name}", status="200")
    get(port, "/hello/Linus")
    service.signal(signal.SIGINT)
    check(service.wait() == 0, "it ends in order")
    served(proxy, "http_request_duration_seconds_count", 3, HISTOGRAM)


@case("client-examples/batch-job", ("our_proxy", "examples"), java_passes=False, transports=TCP)
def batch_job(bench):
    """It fails at its fourth row, and is seen."""
    proxy = bench.proxy()
    status = example(bench, proxy, "batch_job").wait()
    check(status == 1, f"it ends with {status}")
    served(proxy, "rows_total", 3, COUNTER, application="batch_job")


@case("client-examples/blocking", ("our_proxy", "examples"), java_passes=False, transports=TCP)
def blocking(bench):
    proxy = bench.proxy()
    status = example(bench, proxy, "blocking").wait()
    check(status == 0, f"it ends with {status}")
    served(proxy, "files_total", 3, COUNTER, application="blocking")


@case("client-examples/cli-tool", ("our_proxy", "examples"), java_passes=False, transports=TCP)
def cli_tool(bench):
    proxy = bench.proxy()
    file = os.path.join(bench.folder, "three-lines")
    with open(file, "w", encoding="utf-8") as output:
        output.write("a\nb\nc\n")
    url = proxy_url(bench, proxy)
    process = bench.start("cli_tool", ["env", f"PROXY={url}", program(bench, "cli_tool"), file, file + "-not-there"])
    check(process.wait() == 0, "it ends in order")
    text = served(proxy, "lines_total", 3, COUNTER, application="cli_tool")
    check(value(text, "files_total", outcome="failed") == 1, "the file that is not there is counted")


@case("client-examples/lambda-handler", ("our_proxy", "examples"), java_passes=False, transports=TCP)
def lambda_handler(bench):
    """Between two invocations the process is frozen: what it pushed at the end of the first one is served meanwhile."""
    proxy = bench.proxy()
    process = example(bench, proxy, "lambda_handler")
    for count, name in enumerate(("Ada", "Grace"), 1):
        process.tell(name)
        process.find(f"^Hello, {name}!$")
        process.pause()
        text = get(proxy.http, "/metrics/connected", {"X-Prometheus-Scrape-Timeout-Seconds": "3"})[1]
        check(value(text, "invocations_total", application="lambda_handler") == count, f"{count} invocations are served")
        process.resume()


@case("client-examples/embedded-in-smol", ("our_proxy", "examples"), java_passes=False, transports=TCP)
def embedded_in_smol(bench):
    """It tells how it stands with the proxy, and counts on."""
    proxy = bench.proxy()
    process = example(bench, proxy, "embedded_in_smol")
    process.find("^connected to the proxy$")
    jobs = lambda: value(proxy.scrape(), "jobs_total", application="embedded_in_smol")
    first = until("its jobs are served", jobs)
    until("they are more in the end", lambda: jobs() > first)
    check("# TYPE jobs_total counter\n" in proxy.scrape(), "they are a counter")


def program(bench, name):
    return os.path.join(bench.tools.examples(), name)


def proxy_url(bench, proxy):
    return bench.transport.url(proxy.port(bench.transport))


def example(bench, proxy, name, *arguments):
    return bench.start(name, [program(bench, name), proxy_url(bench, proxy), *arguments])


def served(proxy, series, wanted, kind, **labels):
    """Waits until the proxy serves a value, and gives the scrape that had it. It is that scrape alone which has what was pushed."""

    def look():
        text = proxy.scrape()
        found = value(text, series, **labels)
        return text if found == wanted else None

    text = until(f"{series} with {labels} is {wanted}", look)
    family = series.removesuffix("_count")
    check(f"# TYPE {family} {kind}\n" in text, f"{family} is a {kind}")
    return text
