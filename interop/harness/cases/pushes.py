"""Whom last metrics reach, and how many there is room for."""

import subprocess
import threading

from case import case
from exposition import value
from peers.jobs import Jobs, Scraper
from process import Failure, check, until
from variant import TCP

JOBS = 60


@case("pushes/each-scraper", ("our_proxy", "our_client", "prometheus", "curl", "jobs"), java_passes=False, transports=TCP)
def each_scraper(bench):
    """Two Prometheus servers on one host have every push, while somebody looks with curl again and again."""
    proxy = bench.proxy()
    # One finds each application by itself.
    servers = [bench.prometheus(proxy, jobs=("applications",), scraper="a"), bench.prometheus(proxy, jobs=("found",), scraper="b")]
    for server in servers:
        until("Prometheus has begun", lambda server=server: server.query("count(up) or vector(1)"), 20)
    relays = [bench.our_client(proxy, bench.endpoint(f"relayed-{number}", number)) for number in range(1, 4)]
    jobs = Jobs(bench, proxy.tcp)
    with looking(bench.tools.curl(), f"http://127.0.0.1:{proxy.http}/metrics/connected") as looks:
        pushed = jobs.begin_push(0, JOBS, 6)
        for relay in relays:
            relay.process.find("connected")
            relay.terminate()
        pushed()
        check(jobs.acknowledged() == set(range(JOBS)), f"all are acknowledged; {jobs.refused()}, {jobs.lost()}")
        for name, server in zip("ab", servers):
            has_all(server, name, relays)
    check(looks.answers > 10, f"curl had {looks.answers} answers")
    check(looks.pushes, "curl has seen pushes, too")


def has_all(server, name, relays):
    """A server has had the push of each application, with its value, in one scrape and not in a second."""
    server.expect("count(count_over_time(job_last[10m]))", JOBS, 30)
    server.expect("sum(max_over_time(job_last[10m]))", sum(range(JOBS)))
    most = server.query("max(count_over_time(job_pushed[10m]))")
    check(most == 1, f"{name} has had a push {most:g} times")
    for number in range(1, len(relays) + 1):
        server.expect(f'max(last_over_time(interop_orders_total{{app="relayed-{number}"}}[10m]))', number)


class looking:
    """Somebody who asks for all metrics with curl, over and over."""

    def __init__(self, curl, url):
        self.command = [curl, "--silent", "--fail", "--max-time", "5", url]
        self.answers = self.pushes = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.stopped.wait(0.05):
            done = subprocess.run(self.command, capture_output=True, check=False)
            self.answers += done.returncode == 0
            self.pushes += done.stdout.count(b"\njob_last{")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


@case("pushes/room", ("our_proxy", "jobs"), java_passes=False, transports=TCP)
def room(bench):
    """Of 2,000 pushes with room for 1,000, so many are held and served; the others are refused, told why, and counted."""
    limit = 1_000
    proxy = bench.proxy(["--max-held-pushes", str(limit)])
    jobs = Jobs(bench, proxy.tcp)
    jobs.push(0, 2 * limit, limit=180.0)
    acknowledged, refused = jobs.acknowledged(), jobs.refused()
    check(not jobs.lost(), f"no push is without an answer: {jobs.lost()}")
    check((len(acknowledged), len(refused)) == (limit, limit), f"{len(acknowledged)} were acknowledged, {len(refused)} refused")
    reasons = set(refused.values())
    check(reasons == {f"the push is not stored: {limit} pushes are held already"}, f"who is refused is told why, and not {sorted(reasons)[:3]}")
    counted(proxy, "rejected", limit)
    counted(proxy, "held", limit)
    check(value(proxy.own_metrics(), "prometheus_proxy_pushes_held") == limit, "so many are held")
    scraper = Scraper(proxy.http, "a")
    for _ in range(2):
        scraper.scrape()
    scraper.has_each_once(acknowledged)
    check(scraper.had.keys() == acknowledged, "nothing that was refused is served")
    # All who scrape have had them, so they make room.
    jobs.push(2 * limit, 2 * limit + 50)
    later = jobs.acknowledged() - acknowledged
    check(len(later) == 50, f"delivered ones make room: {jobs.refused().keys() - refused.keys()}")
    scraper.scrape()
    scraper.scrape()
    scraper.has_each_once(acknowledged | later)


def counted(proxy, outcome, count):
    found = value(proxy.own_metrics(), "prometheus_proxy_pushes_total", kind="request_response", outcome=outcome)
    if found != count:
        raise Failure(f"{found} pushes are counted as {outcome}, and not {count}")
