"""What happens to the log, and what a peer can make of it."""

import contextlib
import fcntl
import os
import time

import connection as wire
import web
from hostile import EXT, REQUEST_STREAM, Peer, error, flooding, push
from process import check

from . import attack

# Lines that one peer may cause within the few seconds of a flood.
MANY = 300
# Characters of a line, whatever a peer says: there is more in a line than one text of 200 bytes.
LONGEST_LINE = 1_000


def provoke(proxy, count):
    """Causes a line or two for each connection, one way or the other."""
    for number in range(count):
        with contextlib.suppress(OSError, EOFError):
            with Peer(proxy.tcp, {"app": f"passing-{number}"}) as peer:
                peer.key()
                peer.send(wire.frame(1, REQUEST_STREAM, 0, b"\0\0\0\1"), error(0x101, b"gone"))


@attack("logs/reader-gone")
def reader_gone(world):
    """The reader of stderr goes away: the proxy serves on, and ends with status 0 when it is told to."""
    reader, writer = os.pipe()
    proxy = world.start(stderr=writer)
    os.close(writer)
    os.close(reader)
    with world.watched(world.choose(1.5, 5)):
        provoke(proxy, 20)
    status = proxy.terminate()
    check(status == 0, f"SIGTERM ends it with status {status}")


@attack("logs/reader-stalled")
def reader_stalled(world):
    """The reader of stderr reads no more: the same."""
    reader, writer = os.pipe()
    world.closing.callback(os.close, reader)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    proxy = world.start(stderr=writer)
    os.close(writer)
    with world.watched(world.choose(2, 6)):
        world.background(provoke, proxy, world.choose(200, 2000)).join(world.choose(5, 20))
    status = proxy.terminate()
    check(status == 0, f"SIGTERM ends it with status {status}")


@attack("logs/disk-full")
def disk_full(world):
    """There is no room for any line: the same."""
    with open("/dev/full", "wb") as full:
        proxy = world.start(stderr=full)
    with world.watched(world.choose(1.5, 5)):
        provoke(proxy, 20)
    status = proxy.terminate()
    check(status == 0, f"SIGTERM ends it with status {status}")


FLOODS = {
    "streams": lambda number: wire.frame(number, REQUEST_STREAM, 0, b"\0\0\0\1"),
    "EXT": lambda number: wire.frame(number, EXT, 0, b"\0\0\0\1"),
    "empty pushes": lambda number: wire.frame(number, wire.REQUEST_FNF, 0, b""),
    "pushes that cannot be opened": lambda number: push(number, bytes(256), bytes(32)),
}


@attack("logs/flood")
def flood(world):
    """One connection that does what is logged, as often as it can, causes some lines and not one each time."""
    proxy = world.start()
    for name, frames in FLOODS.items():
        before = proxy.log_size()
        peer = Peer(proxy.tcp, {"app": "flooding"})
        peer.key()
        with world.watched(), flooding(world, [peer], lambda _, frames=frames: frames):
            time.sleep(world.choose(1, 5))
        lines = proxy.log_lines(before)
        check(lines <= MANY, f"{name}: {lines} lines")


@attack("logs/reconnect-loop")
def reconnect_loop(world):
    """An application that comes and goes in a loop causes some lines and not two each time."""
    proxy = world.start()
    before, count = proxy.log_size(), 0
    end = time.monotonic() + world.choose(2, 8)
    with world.watched():
        while time.monotonic() < end:
            count += 1
            with contextlib.suppress(OSError, EOFError):
                with Peer(proxy.tcp, {"app": "looping"}) as peer:
                    peer.key()
    lines = proxy.log_lines(before)
    check(count > 100, f"it came only {count} times")
    check(lines <= MANY, f"{lines} lines for {count} connections")


FORGED = b"\x1b[2J\r\n2026-01-01T00:00:00Z ERROR forged: \x07\x9b31m\xff"


@attack("logs/text-of-peers")
def text_of_peers(world):
    """What peers say is in the log without line breaks and control characters, and cut."""
    proxy = world.start("--log", "debug" if world.full else "info")
    forged = FORGED.decode("latin-1").replace("\xff", "")
    with world.watched():
        for text in (FORGED, FORGED * world.choose(100_000, 500_000)):
            with Peer(proxy.tcp, {"app": "forging"}) as peer:
                peer.key()
                peer.send(error(0x201, text[:16_000_000]))
                with contextlib.suppress(TimeoutError):
                    peer.ending(2)
        with contextlib.suppress(OSError, EOFError), Peer(proxy.tcp, {"app": forged[:100], "label": forged[:60] * 4}) as peer:
            peer.until(wire.REQUEST_FNF, wire.ERROR)
        with contextlib.suppress(OSError):
            web.exchange(proxy.http, b"GET /metrics/app/%1b%5b2J%0d%0aforged HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n", 3)
    # As bytes: decoding replaces some, and splits at more than line feeds.
    with open(proxy.log, "rb") as file:
        lines = file.read(64 << 20).split(b"\n")
    longest = max(map(len, lines))
    check(longest <= LONGEST_LINE, f"a line of {longest} bytes")
    check(not any(b"forged" in line[:60] and line.startswith(b"2026-01-01") for line in lines), "a line is forged")
    odd = [line[:200] for line in lines if any(byte < 32 and byte != 9 or byte == 127 for byte in line) or b"\xc2\x9b" in line]
    check(not odd, f"{len(odd)} lines with control characters: {odd[:2]}")
