"""What many connections together make the proxy hold."""

import contextlib
import os
import time

import hostile
from connection import NEXT, PAYLOAD, frame
from hostile import Peer, framed, keepalive
from world import MB

from . import attack

LONGEST_FRAME = 0xFF_FFFF


def offer(sockets, data, seconds):
    """Sends the same bytes on all connections, as far as they are taken within a time."""
    data = memoryview(data)
    left = {one: data for one in sockets}
    end = time.monotonic() + seconds
    for one in sockets:
        one.setblocking(False)
    while left and time.monotonic() < end:
        taken = 0
        for one, rest in list(left.items()):
            try:
                count = one.send(rest[:MB])
            except BlockingIOError:
                continue
            except OSError:
                del left[one]
                continue
            taken += count
            left[one] = rest[count:]
            if not left[one]:
                del left[one]
        if not taken:
            time.sleep(0.02)


def connected(world, count, **options):
    peers = [world.keep(Peer(world.proxy.tcp, {"app": f"greedy-{number}"}, **options)) for number in range(count)]
    for peer in peers:
        with contextlib.suppress(OSError, EOFError):
            peer.key()
    return peers


def held(world, attack_it, seconds):
    """An attack that ends by closing: what it made the proxy hold is bounded, and given back."""
    start = world.proxy.memory()
    with world.watched(seconds):
        peers = attack_it()
    for peer in peers:
        peer.close()
    world.shrinks(start)


@attack("memory/unfinished-frames")
def unfinished_frames(world):
    """Forty connections with a frame of 16 MB that lacks its last byte."""
    world.start()
    data = framed(frame(1, PAYLOAD, NEXT, bytes(LONGEST_FRAME - 6)))[:-1]

    def attack_it():
        peers = connected(world, 40)
        offer([peer.socket for peer in peers], data, world.choose(3, 15))
        return peers

    held(world, attack_it, world.choose(3, 15))


@attack("memory/unread-echoes")
def unread_echoes(world):
    """Forty that send long KEEPALIVEs and never read the echoes."""
    world.start()
    data = framed(keepalive(bytes(LONGEST_FRAME - 14 - MB)))

    def attack_it():
        peers = connected(world, 40, receive_buffer=4096)
        offer([peer.socket for peer in peers], data * world.choose(2, 4), world.choose(3, 20))
        return peers

    held(world, attack_it, world.choose(3, 15))


@attack("memory/plaintext-answers")
def plaintext_answers(world):
    """A thousand answers of 132 KB that are not encrypted, nor made smaller by compression."""
    proxy = world.start("--envelope", "plaintext", "--app-grace", "1s", max_memory=64 * MB)
    start = proxy.memory()
    filler = os.urandom(66_000).hex()
    with hostile.applications(proxy.tcp, 1000, lambda number: f'plain_{number}{{filler="{filler}"}} 1\n'.encode()):
        with world.watched(world.choose(5, 15)):
            pass
    world.shrinks(start)
