"""What is beside an attack: applications that behave, a scraper like Prometheus, and a probe of `/-/healthy`.

It prints an object a line: `{"kind": "ready"}`, then one for each scrape and each probe, with the time it began (of the monotonic clock, which all
processes share), how long it took, and what was wrong with it. It ends with its input.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import threading
import time

import environment  # noqa: F401  (other folders)
import web
from connection import Connection, packed
from hostile import envelope

SERIES = 20


def samples(number):
    """The lines with the samples of one application."""
    return [f'attacked_good{{app="good-{number}",series="{series}"}} {number * 1000 + series}'.encode() for series in range(SERIES)]


def text(number):
    return b"\n".join([b"# TYPE attacked_good gauge", *samples(number), b""])


def missing(body, count):
    """How many samples of so many good applications a body lacks."""
    return len({line for number in range(count) for line in samples(number)} - set(body.split(b"\n")))


async def application(port, number, delay, connected):
    while True:
        with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
            peer = await Connection.open(port, {"app": f"good-{number}"})
            await peer.key()
            connected.add(number)
            while True:
                stream, key = await peer.request()
                await asyncio.sleep(delay)
                await peer.answer(stream, *envelope(key, packed(text(number)), text(number)))
        say(kind="lost", at=time.monotonic(), took=0, fault=f"good-{number} lost its connection")
        await asyncio.sleep(0.3)


def say(**what):
    # In one piece: threads say things, too.
    os.write(1, json.dumps(what).encode() + b"\n")


def repeat(kind, every, look):
    """Calls `look` again and again, and reports what it raises."""
    while True:
        began = time.monotonic()
        fault = ""
        try:
            look()
        except OSError as error:
            fault = f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        say(kind=kind, at=began, took=round(took, 3), fault=fault)
        time.sleep(max(0.05, every - took))


def scrape(options):
    status, body = web.scrape(options.http, options.timeout, options.limit)
    if status != 200:
        raise OSError(f"status {status}: {body[:100]!r}")
    if lacking := missing(body, options.good):
        raise OSError(f"{lacking} of {options.good * SERIES} samples missing")


def probe(options):
    status, _ = web.get(options.http, "/-/healthy", options.healthy_limit)
    if status != 200:
        raise OSError(f"status {status}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tcp", type=int, required=True)
    parser.add_argument("--http", type=int, required=True)
    parser.add_argument("--good", type=int, default=5, help="applications")
    parser.add_argument("--delay", type=float, default=0, help="seconds after which they answer")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between scrapes; 0: none")
    parser.add_argument("--timeout", type=float, default=3, help="of a scrape, as its header says")
    parser.add_argument("--limit", type=float, default=8, help="seconds within which a scrape has to be whole")
    parser.add_argument("--healthy-limit", type=float, default=3)
    options = parser.parse_args()
    connected = set()
    tasks = [asyncio.create_task(application(options.tcp, number, options.delay, connected)) for number in range(options.good)]
    while len(connected) < options.good:
        await asyncio.sleep(0.01)
    say(kind="ready")
    if options.every:
        threading.Thread(target=repeat, args=("scrape", options.every, lambda: scrape(options)), daemon=True).start()
        threading.Thread(target=repeat, args=("healthy", options.every, lambda: probe(options)), daemon=True).start()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    del tasks
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
