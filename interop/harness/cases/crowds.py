"""Many applications at once: fifty that behave beside one of each kind that does not, and three hundred."""

import re
from concurrent.futures import ThreadPoolExecutor

from case import case
from exposition import get, value
from judges import OPENMETRICS, TEXT, Judges, refusals
from peers import discovery
from peers.crowd import Crowd, sample_lines, text
from peers.discovery import targets
from process import check
from variant import TCP

GOOD = 50
# All that `crowd/bad.py` has.
KINDS = (
    "hung", "slow-drip", "reset-mid-frame", "oversize", "snappy-bomb", "announced-bomb", "wrong-key", "million-series", "endless-labels",
    "same-identity", "push-and-vanish", "reconnect-loop", "key-ignored", "empty-answer", "nul", "bad-utf8", "duplicate-series",
    "quoted-names", "openmetrics", "stray-escapes", "reserved-names",
)  # fmt: skip
NEEDS = ("our_proxy", "crowd", "judges")
# As Prometheus asks by default, apart from the order of what it likes best.
ASKS_OPENMETRICS = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2"
SECONDS = 5.0
ALIKE = re.compile(r'^bad_million\{number="\d{4,}"\} .*\n', re.MULTILINE)


def crowded(bench, flags=()):
    """A proxy with good and bad applications, some of which can only be told apart by what their text says."""
    proxy = bench.proxy(["--identity-labels", "app", *flags])
    crowd = Crowd(bench, proxy, GOOD, KINDS)
    crowd.await_connected()
    return proxy, crowd


def scrape(proxy, accept=None):
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": f"{SECONDS:g}"} | ({"Accept": accept} if accept else {})
    status, body = get(proxy.http, "/metrics/connected", headers, SECONDS)
    check(status == 200, f"/metrics/connected answers {status}: {body[:200]}")
    # Of a million series that are alike, some will do: regular expressions and the Python client are slow.
    return ALIKE.sub("", body)


def accepted(judges, kind, body, among):
    """Fails unless judges can read a body."""
    verdict = judges.judge(kind, body)
    check(not refusals(verdict, among), f"{refusals(verdict, among)}")
    # That is the one of `duplicate-series`, of which Prometheus takes the first.
    check(verdict["textparse"].repeated <= 1, f"{verdict['textparse'].repeated} series come twice")


@case("crowd/joined", NEEDS, java_passes=False, transports=TCP)
def joined(bench):
    """Each scrape has each good application whole, as it was sent, and says how each of all stands."""
    proxy, crowd = crowded(bench)
    with Judges(bench.tools) as judges:
        for round_ in range(1, 5):
            crowd.set(round_)
            body = scrape(proxy)
            missing = [number for number in range(GOOD) if text(number, value=round_) not in body]
            check(not missing, f"scrape {round_} has all but {missing}")
            accepted(judges, TEXT, body, ("textparse", "prometheus2"))
    for number in range(GOOD):
        check(value(body, "prometheus_proxy_app_up", app=f"good-{number}") == 1, f"good-{number} is said to be up")
        samples = value(body, "prometheus_proxy_app_scrape_samples", app=f"good-{number}")
        check(samples == 21, f"good-{number} is said to have {samples} samples")
    down = [line for line in body.splitlines() if line.startswith("prometheus_proxy_app_up{") and line.endswith(" 0")]
    check(down and all('reason="' in line for line in down), f"those that are down are there, with a reason: {down}")
    check('prometheus_proxy_app_up{app="good-1"} 0' not in body, "no application says how another stands")
    crowd.undisturbed()


@case("crowd/grouped", NEEDS, java_passes=False, transports=TCP)
def grouped(bench):
    """The same with families grouped, in text and in OpenMetrics, which the strict parsers read."""
    proxy, crowd = crowded(bench, ["--group-families"])
    with Judges(bench.tools) as judges:
        for round_ in range(1, 5):
            crowd.set(round_)
            kind, accept = (TEXT, None) if round_ % 2 else (OPENMETRICS, ASKS_OPENMETRICS)
            body = scrape(proxy, accept)
            lines = set(body.splitlines(keepends=True))
            missing = [number for number in range(GOOD) if not lines.issuperset(sample_lines(number, value=round_))]
            check(not missing, f"scrape {round_} has all but {missing}")
            accepted(judges, kind, body, ("textparse", "expfmt", "prometheus_client"))
    crowd.undisturbed()


@case("crowd/targets", NEEDS, java_passes=False, transports=TCP)
def single(bench):
    """The same of each application alone, as it was sent, while all others are asked too."""
    proxy, crowd = crowded(bench)
    # Those that did not say who they are are known by what they sent first.
    scrape(proxy)
    crowd.set(7)
    found = targets(proxy)
    good = {target["app"]: target for target in found if target.get("app", "").startswith("good-")}
    check(len(good) == GOOD, f"{len(good)} of {GOOD} are found, of {len(found)} in all")
    with ThreadPoolExecutor(8) as pool:
        # The others first, which take their time.
        others = [pool.submit(discovery.scrape, proxy, target, SECONDS) for target in found if target not in good.values()]
        for app, target in good.items():
            status, body = discovery.scrape(proxy, target, SECONDS)
            check(status == 200, f"{app} answers {status}: {body[:200]}")
            check(body == text(int(app.removeprefix("good-")), value=7), f"{app} answers as it did: {body[:300]}")
        for other in others:
            status, body = other.result()
            check(status == 200 or body.strip(), f"an answer of {status} says why")
    crowd.undisturbed()
