"""What public bug reports were about: endpoints as they are found, each beside a relay, and all in one scrape."""

from case import case
from exposition import value
from judges import TEXT, Judges, refusals
from process import check
from variant import TCP

# For each input, the samples that are served, by name and labels. The relay says who it is, and the proxy adds that.
SERVED = {
    "http-client-python-1.0.0.http": {"a_total": 1},
    "http-gzip-unasked.http": {"a_total": 1},
    "http-openmetrics-only.http": {"vllm:tokens_total": 5, "build_info": 1, "wait_seconds": 1.5, "mode": 1, "q": 2},
    "text-backslash.prom": {"user": 1, "other": 1},
    "text-newline-in-label.prom": {"req": 4, "other": 1},
    "text-no-comma.prom": {"req": 1, "other": 1},
    "text-help-dotted.prom": {"zone_queries": 1},
    "text-latin1-comment.prom": {"other": 1},
    "text-long-help.prom": {"q": 1},
    "text-long-line.prom": {"q": 1, "other": 1},
    # With underscores, for who is not known to read them otherwise.
    "text-utf8-label.prom": {"req": 3},
    "text-utf8-name.prom": {"my_dotted": 3},
}
# Served if the user says what they are: 3 of Prometheus refuses them as well.
ODD_TYPES = ("http-text-html.http", "http-type-text.http", "http-type-blank.http", "http-type-none.http")
SAID_TO_BE = ("--scrape-format", "text")


@case("inputs/relayed", ("our_proxy", "our_client", "judges"), java_passes=False, transports=TCP)
def relayed(bench):
    proxy = bench.proxy()
    relays = {name: relay(bench, proxy, name) for name in SERVED}
    odd = {name: relay(bench, proxy, name, SAID_TO_BE) for name in ODD_TYPES}
    proxy.await_connections(len(relays) + len(odd))
    text = proxy.scrape()
    for name, samples in (SERVED | dict.fromkeys(ODD_TYPES, {"a_total": 1})).items():
        app = name.rsplit(".", 1)[0]
        check(value(text, "prometheus_proxy_app_up", app=app) == 1, f"{name} is up: {about(text, app)}")
        for series, expected in samples.items():
            found = value(text, series, app=app)
            check(found == expected, f"{name}: {series} is {expected}, and not {found}: {about(text, app)}")
    check('name="corp\\\\uname"' in text, "a stray backslash is one that every parser reads")
    check('path="/has\\nnewline"' in text, "a raw line break in a value is, too")
    check('http_method="GET"' in text, "a label's name that Prometheus 2 cannot read has underscores")
    check("1700000000123" in text, "seconds of OpenMetrics have become milliseconds")
    with Judges(bench.tools) as judges:
        verdict = judges.judge(TEXT, text)
        check(not refusals(verdict, ("textparse", "prometheus2")), f"{refusals(verdict)}")


@case("inputs/left-out", ("our_proxy", "our_client"), java_passes=False, transports=TCP)
def left_out(bench):
    """What Prometheus refuses is left out, with a reason for people, and one for the owner; the others are served."""
    proxy = bench.proxy()
    good = bench.endpoint("good", 1)
    bench.our_client(proxy, good)
    crlf = relay(bench, proxy, "text-crlf.prom")
    typeless = relay(bench, proxy, "http-text-html.http")
    proxy.await_connections(3)
    text = proxy.expect("good", 1)
    for app in ("text-crlf", "http-text-html"):
        line = about(text, app)
        check(value(text, "prometheus_proxy_app_up", app=app) == 0 and 'reason="' in line, f"{app} is down, with a reason: {line}")
    check("iot{" not in text and "a_total{" not in text, "neither is in the scrape")
    proxy.process.find("(?i)carriage return", 5)
    # The proxy tells the relay what is wrong with its text.
    crlf.process.find("(?i)carriage return", 5)
    typeless.process.find("text/html", 5)


def relay(bench, proxy, name, flags=()):
    endpoint = bench.raw_endpoint(name)
    return bench.our_client(proxy, endpoint, ["--label", f"app={endpoint.app}", *flags])


def about(text, app):
    """The lines of a scrape that tell how an application stands."""
    return "".join(line for line in text.splitlines() if line.startswith("prometheus_proxy_app_") and f'app="{app}"' in line)
