"""Many applications in one process that are told one by one to go wrong, and some with names that attack whoever shows them.

It says `CONNECTED` when all have the proxy's key. Standard input is a command a line, answered by `DONE` and the command: `break ID` (its text
cannot be read from then on), `slow ID` (it answers after two seconds), `kill ID` (its connection ends without a word), `mend ID`. It ends with its input.
"""

import argparse
import asyncio
import sys

from connection import Connection, packed, sealed

TEXT = """\
# HELP shop_orders_total Orders taken, by shelf.
# TYPE shop_orders_total counter
shop_orders_total{shelf="a"} 1
shop_orders_total{shelf="b"} 2
# HELP shop_queue_seconds How long orders wait.
# TYPE shop_queue_seconds histogram
shop_queue_seconds_bucket{le="1"} 3
shop_queue_seconds_bucket{le="+Inf"} 4
shop_queue_seconds_sum 5.5
shop_queue_seconds_count 4
"""
BROKEN = TEXT + 'shop_orders_total{shelf="c" 3\n'

HOSTILE = [
    "<script>window.pwned=1</script>",
    "\"><img src=x onerror=window.pwned=1>",
    "</bdi></td></table><h1>Fine</h1>",
    "\u202egnp.exe\u2066\u2067",
    "\u0000\u001b[31m\r\n",
    "'&quot;" + "A" * 240,
]
# Longer than what a hello may say, so it is in the text.
HOSTILE_TEXT = "# HELP long_name " + "<b>\u202e" * 2_500 + "\n# TYPE long_name gauge\nlong_name 1\n" + "n" * 10_000 + " 1\n"


class Application:
    def __init__(self, port, labels, text):
        self.port, self.labels, self.good = port, labels, text
        self.text, self.delay, self.peer = text, 0, None

    async def connect(self):
        self.peer = await Connection.open(self.port, self.labels)
        await self.peer.key()

    async def serve(self):
        try:
            while True:
                stream, key = await self.peer.request()
                await asyncio.sleep(self.delay)
                await self.peer.answer(stream, *sealed(key, packed(self.text.encode())))
        except (OSError, EOFError):
            pass  # Killed, or the proxy has gone.

    def obey(self, command):
        if command == "break":
            self.text = BROKEN
        elif command == "slow":
            self.delay = 2
        elif command == "mend":
            self.text, self.delay = self.good, 0
        elif command == "kill":
            self.peer.reset()
        else:
            sys.exit(f"no such command: {command}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True, help="how many that behave until they are told otherwise")
    parser.add_argument("--hostile", action="store_true", help="and some with hostile names")
    options = parser.parse_args()
    names = [f"shop-{number:03}" for number in range(options.count)]
    shops = {name: Application(options.port, {"application": "shop", "instance": name}, TEXT) for name in names}
    everybody = list(shops.values())
    if options.hostile:
        everybody += [Application(options.port, {"instance": name, "other": name}, HOSTILE_TEXT) for name in HOSTILE]
    for some in range(0, len(everybody), 50):
        await asyncio.gather(*(application.connect() for application in everybody[some : some + 50]))
    # Kept, as a loop does not keep its tasks.
    tasks = [asyncio.create_task(application.serve()) for application in everybody]
    print("CONNECTED", flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().strip():
        command, _, name = line.partition(" ")
        shops[name].obey(command)
        print(f"DONE {line}", flush=True)
    return tasks


if __name__ == "__main__":
    asyncio.run(main())
