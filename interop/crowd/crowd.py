"""Many applications in one process: some that behave, some that do not.

It says `CONNECTED` when all that behave have the proxy's key. Standard input is a command a line (`set N` is the value that they have from
then on), answered by `DONE` and the command. It ends with its input.
"""

import argparse
import asyncio
import contextlib
import sys

import bad
from connection import Connection, packed, sealed

# The value of every sample but the first, which never changes.
value = 1


def text(number, samples):
    """What application `number` has to say; see `cases/crowds.py`, which expects just that."""
    name = f"good-{number}"
    lines = [
        "# HELP crowd_orders_total Orders taken, by shelf.",
        "# TYPE crowd_orders_total counter",
        f'crowd_orders_total{{app="{name}",shelf="0"}} {number}',
        *(f'crowd_orders_total{{app="{name}",shelf="{shelf}"}} {value}' for shelf in range(1, samples)),
        "# TYPE crowd_temperature_celsius gauge",
        f'crowd_temperature_celsius{{app="{name}"}} {number}.5',
    ]
    return ("\n".join(lines) + "\n").encode()


async def good(port, number, samples, connected):
    """An application that behaves. Every other one says in its hello who it is; the others leave that to their text."""
    labels = {"app": f"good-{number}"} if number % 2 else None
    while True:
        with contextlib.suppress(OSError, EOFError):
            peer = await Connection.open(port, labels)
            await peer.key()
            connected.add(number)
            while True:
                stream, key = await peer.request()
                await peer.answer(stream, *sealed(key, packed(text(number, samples))))
        print(f"LOST good-{number}", flush=True)
        await asyncio.sleep(0.5)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--good", type=int, required=True, help="how many")
    parser.add_argument("--samples", type=int, default=20, help="of the one family of each that has several")
    parser.add_argument("--bad", default="", help="the kinds, with commas")
    options = parser.parse_args()
    connected = set()
    kinds = list(filter(None, options.bad.split(",")))
    if unknown := [kind for kind in kinds if kind not in bad.KINDS]:
        sys.exit(f"no such kind: {unknown}")
    # The tasks are kept: a loop does not keep them.
    tasks = [asyncio.create_task(good(options.port, number, options.samples, connected)) for number in range(options.good)]
    tasks += [asyncio.create_task(watched(kind, options.port)) for kind in kinds]
    while len(connected) < options.good:
        await asyncio.sleep(0.01)
    print("CONNECTED", flush=True)
    await obey()


async def watched(kind, port):
    """A fault of the crowd's own must not look like a neighbour that keeps quiet."""
    try:
        await bad.again(kind, port)
    except Exception as error:
        print(f"BROKEN {kind}: {error!r}", flush=True)
        raise


async def obey():
    global value
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().strip():
        command, _, argument = line.partition(" ")
        if command != "set":
            sys.exit(f"no such command: {line}")
        value = int(argument)
        print(f"DONE {line}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
