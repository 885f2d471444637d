"""Grafana's dashboards: what they ask for, asked of a Prometheus that scrapes the proxy."""

import json
import os
import urllib.parse

from case import case
from process import check, until
from tools import REPOSITORY
from variant import TCP

FOLDER = os.path.join(REPOSITORY, "deploy", "grafana")
VARIABLES = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}
# The original itself has not had it since its commit a08deb5.
GONE = "prometheus_proxy_unrecognized_rsocket_total"


def expressions(node):
    """All PromQL of a dashboard."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "expr" and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return list(expressions(json.load(file)))


def series(prometheus, expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return prometheus.api("query?query=" + urllib.parse.quote(expression))["result"]


@case("dashboards/original", ("our_proxy", "our_client", "prometheus"), java_passes=False, transports=TCP)
def original(bench):
    """The expressions of the original's dashboard: each has a series."""
    proxy = bench.proxy()
    bench.our_client(proxy, bench.endpoint("orders", 3), ["--label", "app=orders"])
    proxy.await_connections(1)
    prometheus = bench.prometheus(proxy)
    asked = read("original-queries.json")
    check(len(asked) == 10, f"{len(asked)} expressions")
    for expression in asked:
        if expression != GONE:
            until(f"there is {expression}", lambda: series(prometheus, expression), 30, pause=0.5)
    check(series(prometheus, "prometheus_proxy_scrape_active_connections")[0]["value"][1] == "1", "one application")
    check(float(series(prometheus, 'sum(rate(prometheus_proxy_scrape_seconds_count{outcome="success"}[1m]))')[0]["value"][1]) > 0, "scrapes are counted")


@case("dashboards/own", ("our_proxy", "our_client", "prometheus"), java_passes=False, transports=TCP)
def own(bench):
    """Our dashboard: Prometheus accepts each expression, and each that is not for trouble alone has a series."""
    proxy = bench.proxy()
    bench.our_client(proxy, bench.endpoint("orders", 3), ["--label", "app=orders"])
    proxy.await_connections(1)
    prometheus = bench.prometheus(proxy)
    for expression in read("dashboard.json"):
        if " > 0" in expression or " == 0" in expression:
            series(prometheus, expression)
        else:
            until(f"there is {expression}", lambda: series(prometheus, expression), 30, pause=0.5)
