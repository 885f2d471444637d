"""What `/sd` and `/metrics/app/…` say, as Prometheus would read them."""

import json

from exposition import get
from process import check


def targets(proxy):
    """All targets of the proxy: the labels of each, with its address as `__address__`."""
    status, text = get(proxy.http, "/sd", trust=proxy.trust)
    check(status == 200, f"/sd answers {status}: {text[:200]}")
    return [group["labels"] | {"__address__": address} for group in json.loads(text) for address in group["targets"]]


def target(proxy, **labels):
    """The one target that has these labels."""
    found = [target for target in targets(proxy) if labels.items() <= target.items()]
    check(len(found) == 1, f"one target has {labels}, and not {found}")
    return found[0]


def scrape(proxy, target, seconds=10.0):
    """One scrape of a target alone: status and body."""
    path = target.get("__metrics_path__", "/metrics")
    return get(proxy.http, path, {"X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}"}, seconds + 5, proxy.trust)
