"""Applications that speak for others."""

import json

import hostile
import web
from process import check

from . import attack

RESERVED = (
    b'up{app="good-1"} 0\n',
    b'ALERTS{alertname="forged"} 1\n',
    b'ALERTS_FOR_STATE{alertname="forged"} 1\n',
    b"scrape_duration_seconds 99\n",
    b"scrape_samples_scraped 99\n",
    b'prometheus_proxy_app_up{app="good-1"} 0\n',
    b"prometheus_proxy_forged 1\n",
)


@attack("names/reserved")
def reserved(world):
    """Series that Prometheus or the proxy makes are refused from applications."""
    proxy = world.start()
    for line in RESERVED:
        # Without a hello, so that no label is added.
        hostile.answering(world, proxy.tcp, line)
    with world.watched(world.choose(1.5, 5)):
        status, body = web.scrape(proxy.http)
    check(status == 200, f"status {status}")
    served = [line for line in RESERVED if line in body]
    check(not served, f"served: {served}")


FIRST, SECOND = b'twin_value{app="twin"} 1\n', b'twin_value{app="twin"} 2\n'


@attack("names/same-identity")
def same_identity(world):
    """Of applications with one identity and the same series, the first keeps both; the others are counted."""
    proxy = world.start("--identity-labels", "app")
    hostile.answering(world, proxy.tcp, FIRST, {"app": "twin"})
    whole(proxy, "/metrics/connected")
    paths = [group["labels"]["__metrics_path__"] for group in json.loads(whole(proxy, "/sd"))]
    (path,) = [path for path in paths if FIRST in whole(proxy, path)]
    for number in range(world.choose(1, 5)):
        hostile.answering(world, proxy.tcp, SECOND, {"app": "twin"}, f"127.0.0.{3 + number}")
    with world.watched(world.choose(1.5, 5)):
        for _ in range(3):
            for page in ("/metrics/connected", path):
                body = whole(proxy, page)
                check(FIRST in body, f"{page} does not have the first")
                check(SECOND not in body, f"{page} has the second")
    counted = [name for name, value in proxy.metrics().items() if value and ("collisions" in name or "duplicates" in name)]
    check(counted, "nothing counts it")


def whole(proxy, page):
    status, body = web.get(proxy.http, page)
    check(status == 200, f"{page}: status {status}")
    return body
