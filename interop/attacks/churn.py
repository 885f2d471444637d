"""Applications that come, answer scrapes, push, and go in every way there is: `churn.py TCP APPLICATIONS LIFE`.

LIFE is how many seconds an application stays on average. Each second it prints an object with what has happened so far. It ends with its
input.
"""

import asyncio
import collections
import contextlib
import json
import os
import random
import sys

import environment  # noqa: F401  (other folders)
import connection as wire
from connection import Connection, packed, sealed

SERIES = 50
# How applications go, and how often each way is taken.
ENDINGS = {"reset": 4, "pushed": 2, "acknowledged": 2, "mid_frame": 1, "closed": 1}
# One in so many comes back as somebody else, so that entries of applications end too.
RENAMED = 4
# Connections that begin at once. The rest waits, as it does behind a load balancer.
BEGINNING = 64


def text(name):
    lines = [f'churn{{app="{name}",series="{series}"}} {series}' for series in range(SERIES)]
    return "\n".join(["# TYPE churn gauge", *lines, ""]).encode()


async def application(number, port, life, counts, beginning, chance):
    """One after the other in the place of one application, for ever."""
    generation = 0
    # They do not all come in one moment, nor go in one.
    await asyncio.sleep(chance.random() * min(life, 10))
    while True:
        name = f"churn-{number}-{generation}"
        try:
            await live(name, port, chance.expovariate(1 / life), counts, beginning, chance)
        except (OSError, EOFError, ValueError) as error:
            counts["lost"] += 1
            counts[type(error).__name__] += 1
            await asyncio.sleep(1)
        if chance.randrange(RENAMED) == 0:
            generation += 1


async def live(name, port, seconds, counts, beginning, chance):
    block = packed(text(name))
    async with beginning:
        peer = await Connection.open(port, {"app": name})
        key = await peer.key()
    counts["connects"] += 1
    counts["connected"] += 1
    try:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(answers(peer, sealed(key, block), counts), seconds)
        ending = chance.choices(list(ENDINGS), ENDINGS.values())[0]
        counts[ending] += 1
        await end(peer, ending, sealed(key, block))
    finally:
        counts["connected"] -= 1
        peer.writer.transport.abort()


async def answers(peer, reply, counts):
    while True:
        stream, _ = await peer.request()
        await peer.answer(stream, *reply)
        counts["answers"] += 1


async def end(peer, ending, push):
    if ending == "pushed":
        await peer.push(*push)
        await peer.end()
        await asyncio.wait_for(peer.writer.wait_closed(), 10)
    elif ending == "acknowledged":
        metadata, data = push
        peer.send(wire.frame(1, wire.REQUEST_RESPONSE, wire.METADATA, wire.sized(metadata) + data))
        await asyncio.wait_for(answered(peer), 30)
        await peer.end()
    elif ending == "mid_frame":
        peer.writer.write((1000).to_bytes(3, "big") + bytes(100))
        await peer.writer.drain()
    elif ending == "closed":
        peer.writer.write_eof()
        await asyncio.wait_for(peer.reader.read(), 10)


async def answered(peer):
    """Waits for what a push is answered by; scrapes that come meanwhile stay without an answer, as of one that ends."""
    while (await peer.receive())[0] != 1:
        pass


async def tells(counts):
    while True:
        os.write(1, json.dumps(counts).encode() + b"\n")
        await asyncio.sleep(1)


async def main():
    port, applications, life = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    # The proxy is what is looked at: it comes first where processors are few.
    os.nice(5)
    counts, chance = collections.Counter(connects=0, connected=0), random.Random(13)
    beginning = asyncio.Semaphore(BEGINNING)
    # The tasks are kept: a loop does not keep them.
    tasks = [asyncio.create_task(application(number, port, life, counts, beginning, chance)) for number in range(applications)]
    tasks.append(asyncio.create_task(tells(counts)))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
