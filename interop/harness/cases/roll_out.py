"""Two proxies behind a load balancer, of which each is replaced in turn."""

import os
import threading
import time

from case import case
from peers.haproxy import HaProxy
from peers.jobs import Jobs, Scraper, alive
from process import check, until
from variant import TCP

APPLICATIONS, PUSHING = 100, 20
ROUND = 0.5
# Readiness fails for as long as HAProxy takes to notice, then connections move.
DRAIN = ["--drain-delay", "1s", "--drain-spread", "2s"]
NEEDS = ("our_proxy", "haproxy", "jobs")


@case("roll-out/two-proxies", NEEDS, java_passes=False, transports=TCP)
def two_proxies(bench):
    """Of 100 applications 20 push and end meanwhile. No push is lost, and no application is missing from more than one scrape at a time."""
    # HTTP goes on until pushes are scraped.
    roll_out(bench, [[*DRAIN, "--push-linger", "15s"]] * 2)


@case("roll-out/at-once", NEEDS, java_passes=False, transports=TCP)
def at_once(bench):
    """The same where each proxy lets all connections go at once."""
    roll_out(bench, [["--drain-delay", "1s", "--push-linger", "15s"]] * 2)


@case("roll-out/with-disks", NEEDS, java_passes=False, transports=TCP)
def with_disks(bench):
    """The same where each proxy has a directory for pushes, lets all connections go at once, waits for nobody, and is told who connects."""
    flags = ["--drain-delay", "1s", "--proxy-protocol", "required", "--trusted-proxies", "127.0.0.1"]
    roll_out(bench, [[*flags, "--push-dir", os.path.join(bench.folder, f"pushes-{number}")] for number in range(2)], announces=True)


def roll_out(bench, flags, announces=False):
    proxies = [bench.proxy(own, comes_back=True) for own in flags]
    balancer = HaProxy(bench, proxies, announces)
    jobs = Jobs(bench, balancer.port, "--retry", "30", "--verbose")
    jobs.live(0, APPLICATIONS)
    spread(proxies)
    rounds = Rounds(proxies, ("a", "b"))
    rounds.start()
    try:
        roll(proxies, jobs, rounds)
    finally:
        rounds.stop()
    verdict(jobs, rounds)
    spread(proxies, APPLICATIONS - PUSHING)


def roll(proxies, jobs, rounds):
    """Replaces one proxy after the other; pushes begin with the first and end with the last."""
    pushed = jobs.begin_push(0, PUSHING, 10)
    for proxy in proxies:
        proxy.restart()
        rounds.mark()
        # Some seconds in which HAProxy sees that it is there again.
        time.sleep(1)
    pushed()
    # What was pushed last is scraped.
    rounds.await_more(4)


def spread(proxies, wanted=APPLICATIONS):
    """Waits until the proxies together have so many applications."""
    until(f"{wanted} applications are connected", lambda: sum(proxy.connections() for proxy in proxies) == wanted)


def verdict(jobs, rounds):
    acknowledged = jobs.acknowledged()
    check(acknowledged == set(range(PUSHING)), f"all pushes are acknowledged; {jobs.refused()}, {jobs.lost()}")
    for name in rounds.names:
        missing = acknowledged - rounds.had(name).keys()
        check(not missing, f"{name}: the pushes {sorted(missing)} were acknowledged, and never served")
    check(rounds.count >= 10, f"there were {rounds.count} rounds of scrapes")
    for number in range(PUSHING, APPLICATIONS):
        for restart, gaps in enumerate(rounds.missing[number]):
            check(gaps <= 1, f"job-{number} was missing from {gaps} scrapes while proxy {restart} was replaced")


class Rounds(threading.Thread):
    """Scrapes all proxies, as several servers do, in rounds; remembers which applications a round did not have."""

    def __init__(self, proxies, names):
        super().__init__(daemon=True)
        self.names = names
        self.scrapers = {name: [Scraper(proxy.http, name) for proxy in proxies] for name in names}
        self.missing = {number: [0] for number in range(APPLICATIONS)}
        self.count = 0
        self.stopped = threading.Event()
        self.fault = None

    def run(self):
        try:
            while not self.stopped.is_set():
                began = time.monotonic()
                for name in self.names:
                    self.round(name)
                self.count += 1
                self.stopped.wait(max(0.0, began + ROUND - time.monotonic()))
        except Exception as error:  # Whatever it is, the case has to know.
            self.fault = error

    def round(self, name):
        found = set()
        for scraper in self.scrapers[name]:
            try:
                found |= alive(scraper.scrape())
            except OSError:
                pass  # It is being replaced.
        if name == self.names[0]:
            for number in self.missing.keys() - found:
                self.missing[number][-1] += 1

    def mark(self):
        """What is missing from now on counts on its own."""
        for gaps in self.missing.values():
            gaps.append(0)

    def await_more(self, rounds):
        wanted = self.count + rounds
        until(f"{rounds} more rounds", lambda: self.fault or self.count >= wanted)

    def had(self, name):
        found = {}
        for scraper in self.scrapers[name]:
            for number, count in scraper.had.items():
                found[number] = found.get(number, 0) + count
        return found

    def stop(self):
        self.stopped.set()
        self.join()
        for scrapers in self.scrapers.values():
            for scraper in scrapers:
                scraper.close()
        if self.fault:
            raise self.fault
