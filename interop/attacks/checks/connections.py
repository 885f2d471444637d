"""RSocket connections: too many, too slow, too busy."""

import contextlib
import time

import connection as wire
import hostile
import web
from hostile import Peer, flooding, framed, keepalive, setup
from process import check, until

from . import attack


@attack("connections/beyond-limit")
def beyond_limit(world):
    """Beyond --max-connections, an application is told so by an ERROR; those that are connected stay."""
    proxy = world.start("--max-connections", "40")
    told = []
    with world.watched(world.choose(2, 10)):
        peers = [world.keep(Peer(proxy.tcp, {"app": f"many-{number}"})) for number in range(80)]
        for peer in reversed(peers[-30:]):
            with contextlib.suppress(TimeoutError):
                told.append(peer.ending(10))
    check(len(told) == 30, f"{30 - len(told)} of 30 beyond the limit are left open")
    mute = [text for text in told if not text]
    check(not mute, f"{len(mute)} of 30 were closed without an ERROR")
    check(all("connection" in text.lower() for text in told), f"ERROR does not say why: {told[0]!r}")
    check(count_of(world, "lost") == 0, "a good application lost its connection")


def count_of(world, kind):
    return sum(row["kind"] == kind for row in world.beside.rows())


@attack("connections/without-setup")
def without_setup(world):
    """Connections that never say SETUP make room for applications that do."""
    proxy = world.start("--max-connections", "40")
    addresses = world.choose((web.HOST,), (web.HOST, "127.0.0.7"))
    for source in addresses:
        with world.watched(world.choose(2, 10)):
            silent = [world.keep(web.connect(proxy.tcp, source)) for _ in range(200)]
            for number in range(10):
                until("a new application is served", lambda number=number: served(world, number), seconds=5, pause=0.3)
        for connection in silent:
            connection.close()
    check(count_of(world, "lost") == 0, "a good application lost its connection")


def served(world, number):
    """Whether an application that comes now is in a scrape."""
    text = f'late{{app="late-{number}"}} {number}\n'.encode()
    try:
        with contextlib.closing(hostile.answering(world, world.proxy.tcp, text, {"app": f"late-{number}"})):
            status, body = web.scrape(world.proxy.http)
    except EOFError as error:
        raise ConnectionError("closed") from error
    return status == 200 and text in body


@attack("connections/one-byte-at-a-time")
def one_byte_at_a_time(world):
    """Single bytes of a long frame prolong no connection beyond its lifetime, nor beyond --setup-timeout."""
    proxy = world.start("--setup-timeout", "2s")
    frame = framed(wire.frame(1, wire.REQUEST_FNF, 0, bytes(1000)))
    with world.watched():
        connected = world.keep(Peer(proxy.tcp, {"app": "drip"}, interval_ms=1000, lifetime_ms=2000))
        connected.key()
        coming = world.keep(Peer(proxy.tcp, introduced=False))
        for name, peer, data in (("a connected one", connected, frame), ("one without SETUP", coming, framed(setup({"app": "x" * 200})))):
            check(drips(peer, data, 15), f"{name} lives on by single bytes")


def drips(peer, data, seconds):
    """Sends a byte again and again; whether the other side ends that."""
    end = time.monotonic() + seconds
    for byte in data:
        if time.monotonic() > end:
            return False
        try:
            peer.socket.send(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                while True:
                    peer.receive(0.3)
        except (EOFError, OSError):
            return True
    return False


@attack("connections/keepalive-flood")
def keepalive_flood(world):
    """KEEPALIVEs without pause, and intervals of a millisecond, disturb nobody."""
    proxy = world.start()
    flooders = [world.keep(Peer(proxy.tcp, {"app": f"flood-{number}"})) for number in range(world.choose(2, 10))]
    with world.watched(), flooding(world, flooders, lambda _: lambda _: keepalive(b"x" * 50)):
        time.sleep(world.choose(3, 10))


@attack("connections/keepalive-pace")
def keepalive_pace(world):
    """A peer that asks for an interval of a millisecond is sent KEEPALIVEs at most every second, or nearly."""
    proxy = world.start()
    seconds = world.choose(2, 5)
    with world.watched():
        peer = world.keep(Peer(proxy.tcp, {"app": "hasty"}, interval_ms=1))
        peer.key()
        sent, end = 0, time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while (left := end - time.monotonic()) > 0:
                _, kind, flags, _ = peer.receive(left)
                sent += kind == wire.KEEPALIVE and bool(flags & wire.RESPOND)
    check(sent <= 3 * seconds, f"{sent} KEEPALIVEs in {seconds} s")
