"""Many applications in one process that end: each may be scraped first, then pushes its last text, and goes.

Standard input is a command a line, and `DONE` and the command says that it is through:
- `live FIRST LAST`: applications with these numbers connect and answer scrapes, until they are told to push. One that loses its connection connects
  again. It is through when each has had the proxy's key.
- `push FIRST LAST SECONDS`: each of these pushes, spread evenly over a time, and goes. One that does not live connects for it. It is through when each
  has an answer, or has given up.

Of each push it says `ACKNOWLEDGED n`, `REFUSED n: why` or `LOST n: why`; it begins with `PUSHING n`. It ends with its input.
"""

import argparse
import asyncio
import os
import sys
import time

import connection as wire
from connection import Connection, packed, sealed

# Connections that are being opened at once.
OPENING = 100
# A pause before the next attempt, as of a client that is in no hurry.
PAUSE = 0.1


class Refused(Exception):
    """The proxy has said that it does not take a push."""


class Ended(Exception):
    """The connection has ended, perhaps after an ERROR."""


class Application:
    def __init__(self, options, number):
        self.options, self.number = options, number
        self.asked_to_push = asyncio.Event()
        self.connected = asyncio.Event()

    async def run(self, lives):
        """Lives until it is asked to push, then pushes and ends. `lives`: whether it connects before that."""
        if not lives:
            await self.asked_to_push.wait()
        give_up = None
        while True:
            try:
                return await self.connection()
            except Refused as error:
                return say(f"REFUSED {self.number}: {error}")
            except (Ended, OSError, EOFError) as error:
                if self.asked_to_push.is_set():
                    give_up = give_up or time.monotonic() + self.options.retry
                    if time.monotonic() >= give_up:
                        return say(f"LOST {self.number}: {error!r}")
                elif self.options.verbose:
                    say(f"AGAIN {self.number}: {error!r}")
            await asyncio.sleep(PAUSE if self.connected.is_set() else 5 * PAUSE)

    async def connection(self):
        """One connection. It returns only when the push was acknowledged."""
        async with self.options.opening:
            peer = await Connection.open(self.options.port, {"app": f"job-{self.number}"})
            key = await key_of(peer)
        self.connected.set()
        pushing = asyncio.create_task(self.push(peer, key))
        try:
            while True:
                stream, kind, flags, rest = await peer.receive()
                if kind == wire.REQUEST_RESPONSE:
                    key = wire.data_of(flags, rest)
                    await peer.answer(stream, *sealed(key, packed(self.alive())))
                elif (stream, kind) == (1, wire.PAYLOAD):
                    say(f"ACKNOWLEDGED {self.number}")
                    return await peer.end()
                elif (stream, kind) == (1, wire.ERROR):
                    raise Refused(text_of(rest))
                elif (stream, kind) == (0, wire.ERROR):
                    raise Ended(text_of(rest))
        finally:
            pushing.cancel()
            peer.writer.close()

    async def push(self, peer, key):
        await self.asked_to_push.wait()
        say(f"PUSHING {self.number}")
        pushed = f'# TYPE job_pushed gauge\njob_pushed{{app="job-{self.number}"}} 1\n'.encode()
        metadata, data = sealed(key, packed(self.last() + pushed))
        peer.send(wire.frame(1, wire.REQUEST_RESPONSE, wire.METADATA, wire.sized(metadata) + data))
        await peer.writer.drain()

    def alive(self):
        """What it answers. Once it pushes, this has the last text as well: an answer that was asked for after a push takes its place."""
        last = self.last() if self.asked_to_push.is_set() else b""
        return f'# TYPE job_alive gauge\njob_alive{{app="job-{self.number}"}} 1\n'.encode() + last

    def last(self):
        filler = f'job_filler{{app="job-{self.number}",filler="{os.urandom(self.options.filler // 2).hex()}"}} 1\n' if self.options.filler else ""
        return f'# TYPE job_last gauge\njob_last{{app="job-{self.number}"}} {self.number}\n{filler}'.encode()


async def key_of(peer):
    while True:
        stream, kind, flags, rest = await peer.receive()
        if (stream, kind) == (0, wire.ERROR):
            raise Ended(text_of(rest))
        if kind == wire.REQUEST_FNF:
            return wire.data_of(flags, rest)


def text_of(rest):
    return rest[4:].decode(errors="replace")


def say(line):
    print(line, flush=True)


class Crowd:
    def __init__(self, options):
        self.options = options
        self.applications, self.tasks = {}, {}

    def begin(self, number, lives):
        application = self.applications[number] = Application(self.options, number)
        # The tasks are kept: a loop does not keep them.
        self.tasks[number] = asyncio.create_task(application.run(lives))
        return application

    async def live(self, first, last):
        for application in [self.begin(number, True) for number in range(first, last)]:
            await application.connected.wait()

    async def push(self, first, last, seconds):
        numbers = range(first, last)
        began = time.monotonic()
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, began + seconds * place / len(numbers) - time.monotonic()))
            application = self.applications.get(number) or self.begin(number, False)
            application.asked_to_push.set()
        await asyncio.gather(*(self.tasks[number] for number in numbers))
        for number in numbers:
            del self.applications[number], self.tasks[number]

    async def obey(self, line):
        match line.split():
            case ["live", first, last]:
                await self.live(int(first), int(last))
            case ["push", first, last, seconds]:
                await self.push(int(first), int(last), float(seconds))
            case _:
                sys.exit(f"no such command: {line}")
        say(f"DONE {line}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--retry", type=float, default=0, help="seconds in which a push is sent again where a connection ends without an answer")
    parser.add_argument("--filler", type=int, default=0, help="bytes that a last text has more; half as many when compressed")
    parser.add_argument("--verbose", action="store_true", help="say why a connection has ended")
    options = parser.parse_args()
    options.opening = asyncio.Semaphore(OPENING)
    crowd = Crowd(options)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    # Several commands may be under way.
    obeying = []
    while line := (await commands.readline()).decode().strip():
        obeying.append(asyncio.create_task(crowd.obey(line)))


if __name__ == "__main__":
    asyncio.run(main())
