"""Applications that push more than their share."""

import time

import hostile
from connection import packed, sealed
from hostile import Cached, Peer, flooding, push, pushed
from process import check

from . import attack


def sealed_push(peer, block):
    """Pushes of one block, sealed once: what costs time should be the proxy's."""
    metadata, data = sealed(peer.key(), block)
    return lambda number: push(number, metadata, data)


def storm(world, count, text, seconds):
    """So many applications push a text as fast as they can, while others are scraped, and push their last text."""
    proxy = world.start()
    peers = [world.keep(Peer(proxy.tcp, {"app": f"storm-{number}"})) for number in range(count)]
    block, refused, tried = packed(text), 0, 0
    with world.watched(), flooding(world, peers, lambda peer: sealed_push(peer, block)):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.3)
            proxy.alive()
            tried += 1
            try:
                refused += not pushed(proxy.tcp, b"last_words 1\n", {"app": f"leaving-{tried}"})
            except (OSError, EOFError) as error:
                refused += 1
                print(f"  a push of another: {error!r}")
    check(not refused, f"{refused} of {tried} pushes of others were refused")


@attack("pushes/storm-small")
def storm_small(world):
    """One application pushes a tiny text without pause: others are scraped, and may push."""
    storm(world, 1, b"a 1\n", world.choose(4, 10))


@attack("pushes/storm-big")
def storm_big(world):
    """The same with 7 MB of text each time."""
    storm(world, 1, hostile.repetitive_text("big", 7_000_000), world.choose(4, 12))


@attack("pushes/storm-of-many")
def storm_of_many(world):
    """The same from 20 applications."""
    storm(world, 20, b"a 1\n", world.choose(4, 10))


@attack("pushes/living-applications")
def living_applications(world):
    """Fifty that answer well and once pushed leave room for those that push before they go."""
    text = hostile.random_text("living", world.choose(200, 1_000_000))
    proxy = world.start("--max-held-pushes", "50", beside={"every": 2})
    living = []
    for number in range(50):
        peer = world.keep(Peer(proxy.tcp, {"app": f"living-{number}"}))
        key = peer.key()
        peer.send(push(1, *sealed(key, packed(text))))
        world.background(peer.answers, Cached(f"living_{number} 1\n".encode()))
        living.append(peer)
    time.sleep(1)
    with world.watched(world.choose(2, 6)):
        taken = [pushed(proxy.tcp, f'last_words{{number="{number}"}} 1\n'.encode(), {"app": f"leaving-{number}"}) for number in range(10)]
    check(all(taken), f"{taken.count(False)} of 10 pushes of others were refused")
