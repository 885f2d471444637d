"""A process that may have few descriptors."""

import contextlib
import time

import hostile
import web
from hostile import Peer
from process import check, until

from . import attack

FEW = 200


@attack("descriptors/used-up")
def used_up(world):
    """Applications use up what there is: the scraper gets in, nothing spins, and once some have gone, others get in."""
    proxy = world.start(descriptors=FEW)
    warned = [line for line in proxy.log_text().splitlines() if "WARN" in line and str(FEW) in line and "descriptors" in line]
    check(warned, "no warning that --max-connections does not fit into 200 descriptors")
    connections = []
    with world.watched(world.choose(3, 10)):
        for number in range(2 * FEW):
            with contextlib.suppress(OSError):
                connections.append(world.keep(Peer(proxy.tcp, {"app": f"many-{number}"})))
        spent, began = proxy.processor_time(), time.monotonic()
        time.sleep(world.choose(2, 6))
        share = (proxy.processor_time() - spent) / (time.monotonic() - began)
    check(share < 0.5, f"{share:.0%} of a processor while nothing can be accepted")
    for connection in connections:
        connection.close()
    comes_back(proxy)


@attack("descriptors/used-up-by-http")
def used_up_by_http(world):
    """The same with connections to the HTTP port: applications and scrapers get in."""
    proxy = world.start(descriptors=FEW)
    with world.watched(world.choose(3, 10)):
        for number in range(2 * FEW):
            with contextlib.suppress(OSError):
                world.keep(web.connect(proxy.http))
    comes_back(proxy)


def comes_back(proxy):
    def newcomer():
        with contextlib.suppress(EOFError):
            return hostile.pushed(proxy.tcp, b"newcomer 1\n", {"app": "newcomer"}, seconds=3)

    until("a new application is served", newcomer, seconds=20)
