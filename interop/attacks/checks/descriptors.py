"""A process that may have few descriptors, and more connections at once than it can accept."""

import contextlib
import resource
import signal
import time

import hostile
import web
from hostile import Peer
from process import check, until
from storm import Storm

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
        with proxy.working_less_than(0.5, "nothing can be accepted"):
            time.sleep(world.choose(2, 6))
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


@attack("descriptors/taken-away")
def taken_away(world):
    """The limit of descriptors falls below what is in use: the scraper gets in, nothing spins, it is said once, and all is well afterwards."""
    proxy = world.start("--log-format", "json")
    for number in range(50):
        world.keep(Peer(proxy.tcp, {"app": f"many-{number}"})).key()
    soft, hard = resource.prlimit(proxy.popen.pid, resource.RLIMIT_NOFILE)
    with world.watched(world.choose(3, 10)):
        resource.prlimit(proxy.popen.pid, resource.RLIMIT_NOFILE, (20, hard))
        waiting = [world.keep(Peer(proxy.tcp, {"app": f"waiting-{number}"})) for number in range(100)]
        time.sleep(0.5)
        lines = proxy.log_size()
        with proxy.working_less_than(0.5, "nothing can be accepted"):
            time.sleep(world.choose(3, 12))
        repeated = sum("cannot accept" in line for line in proxy.log_text(lines).splitlines())
    said = proxy.log_text().count("cannot accept")
    resource.prlimit(proxy.popen.pid, resource.RLIMIT_NOFILE, (soft, hard))
    check(said, "nothing in the log says that nothing can be accepted")
    # Once for each listener, and again at most every ten seconds.
    check(repeated <= world.choose(2, 4), f"the log says it {repeated} times")
    for peer in waiting:
        peer.key()
    comes_back(proxy)


@attack("descriptors/storm")
def storm(world):
    """10,000 applications connect at once from several processes: all get their key, and the scraper gets in meanwhile."""
    proxy = world.start()
    with world.watched(world.choose(3, 10)):
        with Storm(proxy, 10_000 - 100) as crowd:
            crowd.keyed(60)
    comes_back(proxy)


@attack("descriptors/full-queue", alone=True)
def full_queue(world):
    """More connect to a proxy that is stopped than its queue has room for: when it goes on, they get in, and the scraper does."""
    proxy = world.start(beside={"every": 0})
    proxy.popen.send_signal(signal.SIGSTOP)
    try:
        # The kernel may end a few that it had no room for, of which the proxy knows nothing. They connect again, as any application does.
        with Storm(proxy, 8_000, again=10) as crowd:
            time.sleep(2)
            proxy.popen.send_signal(signal.SIGCONT)
            until("the scraper gets in", lambda: web.scrape(proxy.http, 10, 15)[0] == 200)
            again = crowd.keyed(60)
            ended = {name: count for name, count in proxy.metrics().items() if name.startswith("prometheus_proxy_connection_error_total") and count}
            check(not ended, f"the proxy has ended no connection, {again} have connected again: {ended}")
    finally:
        proxy.popen.send_signal(signal.SIGCONT)
    comes_back(proxy)
