"""One attacker of a siege: `attackers.py NAME TCP HTTP NUMBER` does one thing again and again until its input ends."""

import contextlib
import os
import sys
import threading
import time

import environment  # noqa: F401  (other folders)
import connection as wire
import hostile
import web
from checks.logs import FLOODS, FORGED
from checks.memory import LONGEST_FRAME, offer
from checks.names import RESERVED
from connection import packed, sealed
from hostile import Cached, Peer, framed, keepalive, push

# Seconds that an attacker stays in one state before it begins anew.
PHASE = 15.0


class Attacker:
    def __init__(self, tcp, http, number):
        self.tcp, self.http, self.number = tcp, http, number
        # Every other one comes from where the scraper is.
        self.source = web.HOST if number % 2 else f"127.0.0.{2 + number}"

    def peer(self, **options):
        peer = Peer(self.tcp, {"app": f"attacker-{self.number}"}, self.source, **options)
        try:
            return peer, peer.key()
        except BaseException:
            peer.close()
            raise

    def floods(self, frames, **options):
        """Sends without pause for a phase, and reads what comes back."""
        peer, key = self.peer(**options)
        with peer:
            stop = threading.Event()
            threading.Timer(PHASE, stop.set).start()
            threading.Thread(target=drain, args=(peer,), daemon=True).start()
            hostile.flood(peer, frames(key), stop)

    def pushes(self, text):
        block = packed(text)

        def frames(key):
            metadata, data = sealed(key, block)
            return lambda number: push(number, metadata, data)

        self.floods(frames)

    def answers(self, text):
        peer, _ = self.peer()
        with peer:
            peer.answers(Cached(text))

    def offers(self, data, **options):
        """Sends bytes as far as they are taken, and stays for a phase without reading."""
        peer, _ = self.peer(**options)
        with peer:
            offer([peer.socket], data, PHASE)
            time.sleep(PHASE / 2)

    def opens(self, port, count, data, receive_buffer=None):
        """Opens connections that send the same bytes, and stays for a phase without reading."""
        with contextlib.ExitStack() as closing:
            for _ in range(count):
                connection = closing.enter_context(web.connect(port, self.source, receive_buffer=receive_buffer))
                connection.sendall(data)
            time.sleep(PHASE)

    def small_pushes(self):
        self.pushes(b"a 1\n")

    def big_pushes(self):
        self.pushes(hostile.repetitive_text("big", 7_000_000))

    def streams(self):
        self.floods(lambda _: FLOODS["streams"])

    def ext(self):
        self.floods(lambda _: FLOODS["EXT"])

    def empty_pushes(self):
        self.floods(lambda _: FLOODS["empty pushes"])

    def foreign_pushes(self):
        self.floods(lambda _: FLOODS["pushes that cannot be opened"])

    def keepalives(self):
        self.floods(lambda _: lambda _: keepalive(b"x" * 50), interval_ms=1)

    def reconnects(self):
        self.peer()[0].close()

    def forges_log(self):
        peer, _ = self.peer()
        with peer:
            peer.send(hostile.error(0x201, (FORGED * 500_000)[:16_000_000]))
            peer.ending(PHASE)

    def unfinished_frame(self):
        self.offers(framed(wire.frame(1, wire.PAYLOAD, wire.NEXT, bytes(LONGEST_FRAME - 6)))[:-1])

    def unread_echoes(self):
        self.offers(framed(keepalive(bytes(LONGEST_FRAME - 15))) * 4, receive_buffer=4096)

    def drips(self):
        peer, _ = self.peer(interval_ms=1000, lifetime_ms=3000)
        with peer:
            for _ in range(60):
                peer.socket.sendall(b"\0")
                time.sleep(1)

    def without_setup(self):
        self.opens(self.tcp, 100, b"")

    def silent_http(self):
        self.opens(self.http, 256, b"")

    def slow_heads(self):
        head = web.request("/metrics/connected", X_Padding="x" * 1000)
        with contextlib.ExitStack() as closing:
            connections = [closing.enter_context(web.connect(self.http, self.source)) for _ in range(50)]
            for byte in head:
                for connection in connections:
                    connection.sendall(bytes([byte]))
                time.sleep(0.3)

    def stalled_readers(self):
        self.opens(self.http, 16, web.request("/metrics/connected", X_Prometheus_Scrape_Timeout_Seconds=60), receive_buffer=4096)

    def mute(self):
        peer, _ = self.peer()
        with peer:
            self.opens(self.http, 8, web.scrape_request(60))

    def big_answers(self):
        self.answers(hostile.repetitive_text("large", 8_000_000))

    def reserved_names(self):
        self.answers(b"".join(RESERVED))

    def names_of_scrapers(self):
        for number in range(1_000):
            with web.connect(self.http, self.source) as connection:
                connection.sendall(web.request(f"/metrics/connected?scraper={number}"))
                connection.recv(1 << 10)

    def hasty_scrapers(self):
        with contextlib.suppress(OSError):
            web.scrape(self.http, 5)
        with web.connect(self.http, self.source) as connection:
            connection.sendall(web.scrape_request(5))


def drain(peer):
    with contextlib.suppress(OSError, ValueError):
        peer.drain()


NAMES = [name for name, value in vars(Attacker).items() if callable(value) and name not in (
    "__init__", "peer", "floods", "pushes", "answers", "offers", "opens",
)]  # fmt: skip


def main():
    name, tcp, http, number = sys.argv[1], *map(int, sys.argv[2:5])
    # Who has more of the processor is not the question.
    os.nice(10)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    attack = getattr(Attacker(tcp, http, number), name)
    while True:
        with contextlib.suppress(OSError, EOFError):
            attack()
        time.sleep(0.02 if name in ("reconnects", "hasty_scrapers") else 0.5)


if __name__ == "__main__":
    main()
