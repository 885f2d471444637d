"""Peers on the HTTP port that do not want an answer, or not soon."""

import contextlib
import threading
import time

import hostile
import web
from process import check

from . import attack


def opened(world, count, data=b"", address=lambda number: web.HOST, receive_buffer=None):
    """So many connections that have sent the same bytes."""
    connections = []
    for number in range(count):
        with contextlib.suppress(OSError):
            connection = world.keep(web.connect(world.proxy.http, address(number), receive_buffer=receive_buffer))
            connections.append(connection)
            connection.sendall(data)
    return connections


def elsewhere(number):
    """Two dozen addresses that are not the scraper's."""
    return f"127.0.0.{2 + number % 24}"


def from_each(world):
    """Where attackers come from: the scraper's own address; in the full form, from many as well."""
    return world.choose((lambda number: web.HOST,), (lambda number: web.HOST, elsewhere))


@attack("http/silent-connections")
def silent_connections(world):
    """256 connections that say nothing, and 400: scrapers and probes are let in."""
    world.start()
    for address in from_each(world):
        for count in world.choose((400,), (256, 400)):
            with world.watched(world.choose(4, 20)):
                connections = opened(world, count, address=address)
            for connection in connections:
                connection.close()


@attack("http/slow-heads")
def slow_heads(world):
    """The same with heads that come byte by byte: they end within seconds, and are counted."""
    proxy = world.start()
    for address in from_each(world):
        before = refused_in_all(proxy)
        head = iter(web.request("/metrics/connected", X_Padding="x" * 1000))
        with world.watched(world.choose(4, 20)):
            connections = opened(world, 256, address=address)
            end = time.monotonic() + world.choose(4, 20)
            while time.monotonic() < end:
                byte = bytes([next(head)])
                for connection in connections:
                    with contextlib.suppress(OSError):
                        connection.send(byte)
                time.sleep(0.3)
        check(refused_in_all(proxy) > before, "none of 256 slow connections was counted")
        for connection in connections:
            connection.close()


def refused_in_all(proxy):
    """What is counted of HTTP connections that were refused, evicted or given up."""
    return sum(
        value for name, value in proxy.metrics().items()
        if name.startswith("prometheus_proxy_http_") and not name.startswith("prometheus_proxy_http_requests")
    )  # fmt: skip


@attack("http/stalled-readers")
def stalled_readers(world):
    """Readers that ask for a large answer and do not read it cost others nothing, and little memory."""
    proxy = world.start()
    for number in range(2):
        hostile.answering(world, proxy.tcp, hostile.repetitive_text(f"large_{number}", 8_000_000), {"app": f"large-{number}"})
    start = proxy.memory()
    wanted = web.request("/metrics/connected", X_Prometheus_Scrape_Timeout_Seconds=60)
    for address in from_each(world):
        with world.watched(world.choose(5, 20)):
            connections = opened(world, world.choose(16, 40), wanted, address, receive_buffer=4096)
        for connection in connections:
            connection.close()
    world.shrinks(start)


@attack("http/mute-application")
def mute_application(world):
    """Twenty that grant a minute while one application is mute: the scraper that grants seconds has its answer in time."""
    proxy = world.start(beside={"timeout": 2})
    hostile.mute(world, proxy.tcp)
    for address in from_each(world):
        with world.watched(world.choose(5, 20)):
            connections = opened(world, 20, web.scrape_request(60), address)
        for connection in connections:
            connection.close()


@attack("http/requests-without-end")
def requests_without_end(world):
    """Four that scrape again and again, as fast as they can, and reset some of the connections midway."""
    proxy = world.start()
    stop = threading.Event()

    def scrape_on():
        count = 0
        while not stop.is_set():
            count += 1
            with contextlib.suppress(OSError):
                if count % 3:
                    web.scrape(proxy.http, 3)
                else:
                    with web.connect(proxy.http) as connection:
                        connection.sendall(web.scrape_request(3))

    with world.watched(world.choose(2, 10)):
        threads = [world.background(scrape_on) for _ in range(4)]
        time.sleep(world.choose(2, 10))
        stop.set()
        for thread in threads:
            thread.join(10)
