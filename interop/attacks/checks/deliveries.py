"""Scrapers that want to keep others from having pushes, or pushes that want to keep others out."""

import http.client
import re
import time

import hostile
import web
from connection import packed, sealed
from hostile import Peer, push, pushed
from process import check, until

from . import attack

WORDS = re.compile(rb'^last_words_(\d+)\{app="leaving-\d+"\} 1$', re.MULTILINE)
# Where the good scraper is: not where beside.py and attackers are.
GOOD = "127.0.0.77"


class Scraper:
    """One that reads properly over one connection, as Prometheus does, and counts what it has had."""

    def __init__(self, world, name, source=GOOD):
        self.connection = world.keep(http.client.HTTPConnection(web.HOST, world.proxy.http, timeout=10, source_address=(source, 0)))
        self.path = f"/metrics/connected?scraper={name}"
        self.had = {}

    def scrape(self):
        self.connection.request("GET", self.path, headers={"X-Prometheus-Scrape-Timeout-Seconds": "3"})
        answer = self.connection.getresponse()
        body = answer.read()
        check(answer.status == 200, f"status {answer.status}")
        found = [int(number) for number in WORDS.findall(body)]
        for number in found:
            self.had[number] = self.had.get(number, 0) + 1
        return found

    def has(self, numbers, once=True):
        """Fails unless it has had each of these, and if `once` none of them again."""
        for _ in range(2):
            self.scrape()
        missing = set(numbers) - self.had.keys()
        check(not missing, f"{len(missing)} of {len(numbers)} pushes have not reached the good scraper: {sorted(missing)[:5]}")
        again = [number for number, count in self.had.items() if count > 1]
        check(not (once and again), f"{len(again)} pushes have reached the good scraper more than once")


def say_last(proxy, numbers):
    """Applications that push and end. All of them must be acknowledged."""
    refused = [number for number in numbers if not pushed(proxy.tcp, b"last_words_%d 1\n" % number, {"app": f"leaving-{number}"})]
    check(not refused, f"{len(refused)} pushes were refused, the first by leaving-{refused[:1]}")


def asked(name):
    return web.request(f"/metrics/connected?scraper={name}", X_Prometheus_Scrape_Timeout_Seconds=3)


def flood_of_names(world, source):
    """Scrapes under thousands of names from one address; a good scraper scrapes before, meanwhile and after."""
    proxy = world.start()
    good = Scraper(world, "good")
    say_last(proxy, range(10))
    good.scrape()
    good.scrape()
    statuses = []
    with world.watched():
        for number in range(world.choose(1_000, 10_000)):
            with web.connect(proxy.http, source) as connection:
                connection.sendall(asked(number))
                answer = connection.recv(1 << 16)
            statuses.append(answer[9:12])
            if number % 100 == 50:
                say_last(proxy, [1_000 + number])
                good.scrape()
    check(statuses.count(b"200") > len(statuses) // 2, f"the attacker was served: {statuses[:5]}")
    return good, [*range(10), *(number for number in range(1_050, 1_000 + len(statuses), 100))]


@attack("deliveries/names-from-elsewhere")
def names_from_elsewhere(world):
    """Thousands of names of scrapers from one address: a scraper at another has each push, once."""
    good, numbers = flood_of_names(world, web.HOST)
    good.has(numbers)


@attack("deliveries/names-from-here")
def names_from_here(world):
    """The same from the good scraper's own address: it may be forgotten, and have pushes again, but it has each."""
    good, numbers = flood_of_names(world, GOOD)
    good.has(numbers, once=False)


@attack("deliveries/one-fills-the-table")
def one_fills_the_table(world):
    """One identity pushes what nobody has had, as much as it can: others' pushes are taken, kept and served."""
    proxy = world.start("--max-held-pushes", "100", "--max-push-rate", "1000", beside={"every": 0})
    say_last(proxy, range(20))
    taken = fill(proxy, "hog", world.choose(300, 2_000))
    check(0 < taken < 80, f"{taken} pushes of one identity are held, of 100 in all")
    say_last(proxy, range(20, 40))
    Scraper(world, "good").has(range(40))


def fill(proxy, app, count):
    """Pushes texts of which none replaces another. Gives how many were acknowledged."""
    with Peer(proxy.tcp, {"app": app}) as peer:
        key, taken = peer.key(), 0
        for number in range(count):
            peer.send(push(2 * number + 1, *sealed(key, packed(b"%s_%d 1\n" % (app.encode().replace(b"-", b"_"), number))), acknowledged=True))
            _, kind, _, _ = peer.until(hostile.wire.PAYLOAD, hostile.wire.ERROR)
            taken += kind == hostile.wire.PAYLOAD
        return taken


@attack("deliveries/many-fill-the-table")
def many_fill_the_table(world):
    """Many identities push what nobody has had: what was taken before stays, and is served."""
    proxy = world.start("--max-held-pushes", "100", beside={"every": 0})
    say_last(proxy, range(20))
    taken = sum(fill(proxy, f"hog-{number}", 10) for number in range(world.choose(20, 100)))
    check(taken == 80, f"{taken} more pushes were taken, of 100 in all")
    good = Scraper(world, "good")
    good.has(range(20))
    # Once somebody who scrapes has had them, there is room again.
    say_last(proxy, range(20, 40))
    good.has(range(40))


@attack("deliveries/half-read")
def half_read(world):
    """Who reads half of an answer and resets, or closes, has had nothing; nor has anybody else lost anything by it."""
    proxy = world.start()
    hostile.answering(world, proxy.tcp, hostile.random_text("large", 2_000_000))
    say_last(proxy, range(10))
    for count in range(world.choose(20, 100)):
        with web.connect(proxy.http, receive_buffer=4096) as connection:
            connection.sendall(asked("good"))
            connection.recv(10_000)
            if count % 2:
                hostile.reset(connection)
    # Nobody tells the proxy at once that a connection has ended.
    good = Scraper(world, "good", web.HOST)
    until("the good scraper has each push", lambda: good.scrape() is not None and good.had.keys() >= set(range(10)), 20)
    good.has(range(10))


@attack("deliveries/never-read")
def never_read(world):
    """Who asks under the good scraper's name, and never reads, keeps pushes from it for seconds at most."""
    proxy = world.start()
    hostile.answering(world, proxy.tcp, hostile.random_text("large", 2_000_000))
    say_last(proxy, range(10))
    for _ in range(world.choose(8, 16)):
        world.keep(web.connect(proxy.http, "127.0.0.9", receive_buffer=4096)).sendall(asked("good"))
    good = Scraper(world, "good")
    until("the good scraper has each push", lambda: good.scrape() is not None and good.had.keys() >= set(range(10)), 20)
    good.has(range(10))


@attack("deliveries/kept-open")
def kept_open(world):
    """Who asks under a scraper's name and then keeps silent may have read the answer. Other scrapers have theirs; this one, once that is known."""
    proxy = world.start()
    say_last(proxy, range(10))
    for _ in range(world.choose(8, 16)):
        world.keep(web.connect(proxy.http, "127.0.0.9")).sendall(asked("good").replace(b"Connection: close\r\n", b""))
    time.sleep(1)
    Scraper(world, "other").has(range(10))
    if world.full:
        # An idle connection is closed after 150 s, and a push is held for longer.
        good = Scraper(world, "good")
        until("the good scraper has each push", lambda: good.scrape() is not None and good.had.keys() >= set(range(10)), 200, pause=1)
        good.has(range(10))


@attack("deliveries/head")
def head(world):
    """HEAD under the good scraper's name takes nothing from it."""
    proxy = world.start()
    say_last(proxy, range(10))
    for _ in range(world.choose(50, 500)):
        status, body = web.exchange(proxy.http, asked("good").replace(b"GET", b"HEAD", 1), 5)
        check(status == 200 and not body, f"HEAD is answered with {status} and {body[:50]!r}")
    Scraper(world, "good").has(range(10))


@attack("deliveries/pipelined")
def pipelined(world):
    """Sixteen scrapes at once on one connection have each push once, more have each; broken off, they take none."""
    proxy = world.start()
    say_last(proxy, range(10))
    with web.connect(proxy.http, GOOD) as connection:
        connection.sendall(at_once("good", 40))
        connection.recv(10)
        hostile.reset(connection)
    time.sleep(0.5)
    found = answers(proxy, at_once("good", 16))
    check(found == list(range(10)), f"sixteen answers have ten pushes, and not {found}")
    check(not Scraper(world, "good").scrape(), "they are served again")
    # Which of so many answers were read is not remembered.
    found = answers(proxy, at_once("better", 100))
    check(set(found) == set(range(10)), f"a hundred answers have ten pushes, and not {found}")


def at_once(name, count):
    """Several requests, of which the last one ends the connection."""
    return asked(name).replace(b"Connection: close\r\n", b"") * (count - 1) + asked(name)


def answers(proxy, requests):
    """Which pushes are in all answers together."""
    with web.connect(proxy.http, GOOD) as connection:
        connection.sendall(requests)
        body = b"".join(iter(lambda: connection.recv(1 << 18), b""))
    return sorted(map(int, WORDS.findall(body)))
