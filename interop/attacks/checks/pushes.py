"""Applications that push more than their share."""

import json
import time

import beside
import hostile
import web
from connection import packed, sealed
from hostile import Peer, flooding, push, pushed
from process import check, until

from . import attack


def sealed_push(key, block):
    """Pushes of one block, sealed once: what costs time should be the proxy's."""
    metadata, data = sealed(key, block)
    return lambda number: push(number, metadata, data)


def storm(world, count, text, seconds):
    """So many applications push a text as fast as they can, while others are scraped, and push their last text."""
    proxy = world.start()
    peers = [world.keep(Peer(proxy.tcp, {"app": f"storm-{number}"})) for number in range(count)]
    block, refused, tried = packed(text), 0, 0
    with world.watched(), flooding(world, peers, lambda peer: sealed_push(peer.key(), block)):
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
    """Fifty that answer well, and push as well, leave room, once they were scraped, for those that push before they go."""
    proxy = world.start("--max-held-pushes", "50", beside={"every": 0})
    text = hostile.random_text("living", world.choose(200, 1_000_000))
    living = [hostile.answering(world, proxy.tcp, f"living_{number} 1\n".encode()) for number in range(50)]
    web.scrape(proxy.http)
    block = packed(text)
    for peer in living:
        peer.send(sealed_push(peer.public, block)(1))
    time.sleep(world.choose(1, 5))
    web.scrape(proxy.http)
    # They make room once the proxy knows that all of the answer is sent, a moment after it is here.
    until("the scraper has had all pushes", lambda: json.loads(web.get(proxy.http, "/status.json")[1])["pushes"]["missed"] == 0)
    words = [f"last_words_{number} 1\n".encode() for number in range(10)]
    taken = [pushed(proxy.tcp, line) for line in words]
    check(all(taken), f"{taken.count(False)} of 10 pushes of others were refused")
    status, body = web.scrape(proxy.http)
    check(status == 200 and not beside.missing(body, 5), "good applications are not scraped")
    check(all(line in body for line in words), "a push that was taken is not served")
