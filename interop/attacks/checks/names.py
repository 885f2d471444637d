"""Applications that speak for others."""

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
    for number, line in enumerate(RESERVED):
        hostile.answering(world, proxy.tcp, line, {"app": f"forger-{number}"})
    with world.watched(world.choose(1.5, 5)):
        status, body = web.scrape(proxy.http)
    check(status == 200, f"status {status}")
    served = [line for line in RESERVED if line in body]
    check(not served, f"served: {served}")


@attack("names/same-identity")
def same_identity(world):
    """Of two applications with one identity and the same series, the first keeps both, and the other is counted."""
    proxy = world.start("--identity-labels", "app")
    labels = {"app": "twin"}
    hostile.answering(world, proxy.tcp, b'twin_value{app="twin"} 1\n', labels)
    web.scrape(proxy.http)
    for number in range(world.choose(1, 5)):
        hostile.answering(world, proxy.tcp, b'twin_value{app="twin"} 2\n', labels, f"127.0.0.{3 + number}")
    with world.watched(world.choose(1.5, 5)):
        for _ in range(3):
            status, body = web.scrape(proxy.http)
            check(status == 200, f"status {status}")
            check(b'twin_value{app="twin"} 1\n' in body, "the first is not served")
            check(b'twin_value{app="twin"} 2\n' not in body, "the second is served")
    counted = [name for name, value in proxy.metrics().items() if value and ("collisions" in name or "duplicates" in name)]
    check(counted, "nothing counts it")
