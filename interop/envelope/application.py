"""An application that seals in version 2 of the envelope, honestly and otherwise, and looks at what the proxy makes of it.

It ends with status 0, and `PASSED` as its last line, if the proxy does all that docs/envelope-2.md says.
"""

import argparse
import asyncio
import os
import re
import struct
import sys
import urllib.request

from cryptography.hazmat.primitives import serialization
from peer import Fault, check, packed, request, split, v2, wire

COUNTED = "prometheus_proxy_application_error_total"
REASONS = ("seal", "unknown_key", "tampered", "replayed", "unwrap")


class Application:
    """One connection. `binding` is what its pushes are bound to."""

    def __init__(self, connection, http):
        self.connection, self.http = connection, http
        self.key = self.binding = None
        self.renew()
        self.next_stream = 1

    @classmethod
    async def connect(cls, port, http):
        connection = wire.Connection(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
        content = v2.field(1, b"\x02") + v2.field(3, b"\x08instance" + b"python") + v2.field(4, b"python/1")
        times = struct.pack(">HHII", 1, 0, 20_000, 90_000)
        mime = lambda name: bytes([len(name)]) + name
        hello = v2.entry(wire.HELLO, content)
        connection.send(wire.frame(0, wire.SETUP, wire.METADATA, times + mime(wire.COMPOSITE) + mime(wire.BINARY) + wire.sized(hello)))
        self = cls(connection, http)
        _, kind, flags, rest = await connection.receive()
        metadata, der = split(flags, rest)
        check(kind == wire.REQUEST_FNF, f"the key comes first, not a frame of kind {kind}")
        self.key = serialization.load_der_public_key(der)
        self.binding, known = offer(metadata)
        check(known is None, "an offer for pushes names no key")
        return self

    def renew(self):
        self.secret, self.key_id, self.counter = os.urandom(32), os.urandom(16), 0

    def seal(self, purpose, plain, binding, wrapped):
        """The seal's content, and what is sealed."""
        wrap = v2.wrap(self.key, self.secret) if wrapped else None
        content = v2.header(purpose, self.key_id, self.counter, 0, wrap)
        data = v2.encrypt(self.secret, self.counter, content, binding, plain)
        self.counter += 1
        return content, data

    async def asked(self):
        """The next request: its stream, binding, and the key that the proxy knows."""
        while True:
            stream, kind, flags, rest = await self.connection.receive()
            if kind == wire.REQUEST_RESPONSE:
                metadata, _ = split(flags, rest)
                return stream, *offer(metadata)

    async def answer(self, stream, content, data):
        await self.connection.answer(stream, v2.entry(v2.SEAL, content), data)

    async def push(self, content, data):
        """Pushes; says whether the proxy has stored it, and else what it says."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.connection.send(request(stream, wire.REQUEST_RESPONSE, v2.entry(v2.SEAL, content), data))
        await self.connection.writer.drain()
        while True:
            other, kind, _, rest = await self.connection.receive()
            if other == stream and kind in (wire.PAYLOAD, wire.ERROR):
                return None if kind == wire.PAYLOAD else rest[4:].decode()

    async def scrape(self):
        return await asyncio.to_thread(fetch, self.http, "/metrics/connected")

    async def counts(self):
        text = await asyncio.to_thread(fetch, self.http, "/metrics/proxy")
        count = lambda reason: float(re.search(rf'^{COUNTED}{{cause="{reason}"}} (\S+)$', text, re.MULTILINE)[1])
        return {reason: count(reason) for reason in REASONS}


def fetch(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def offer(metadata):
    check(metadata is not None, "no offer")
    content = v2.find_entry(metadata, v2.OFFER)
    check(content is not None, "no offer")
    found = v2.fields(content)
    check(b"\x02" in found.get(1, []), "an offer of version 2")
    return v2.once(found, 2, {16}), v2.once(found, 3, {16}) if 3 in found else None


def text(value):
    return f'python_orders_total{{instance="python"}} {value}\n'.encode()


def is_served(answer, value):
    return f'python_orders_total{{instance="python"}} {value}\n' in answer


def flipped(data, at, bit=0):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


async def answers(app):
    """The wrap comes once, and then no more; a key that is not known is asked for within the scrape."""
    scrape = asyncio.create_task(app.scrape())
    stream, binding, known = await app.asked()
    check(known is None, "the proxy knows no key yet")
    await app.answer(stream, *app.seal(v2.SCRAPE, packed(text(1)), binding, True))
    check(is_served(await scrape, 1), "the first answer is served")
    bindings = {binding}
    for value in (2, 3):
        scrape = asyncio.create_task(app.scrape())
        stream, binding, known = await app.asked()
        check(known == app.key_id, "the offer names the key")
        bindings.add(binding)
        await app.answer(stream, *app.seal(v2.SCRAPE, packed(text(value)), binding, False))
        check(is_served(await scrape, value), "an answer without the wrap is served")
    check(len(bindings) == 3 and app.binding not in bindings, "no binding comes twice")
    app.renew()
    scrape = asyncio.create_task(app.scrape())
    stream, binding, _ = await app.asked()
    await app.answer(stream, *app.seal(v2.SCRAPE, packed(text(4)), binding, False))
    stream, binding, known = await app.asked()
    check(known is None, "it asks again, and names no key")
    await app.answer(stream, *app.seal(v2.SCRAPE, packed(text(4)), binding, True))
    check(is_served(await scrape, 4), "a lost key is made known within the scrape")


async def refused_answers(app, neighbour):
    """What is changed, or sealed for something else, fails this application and no other, and is counted by its reason."""
    good = lambda binding: app.seal(v2.SCRAPE, packed(text(9)), binding, False)
    last = {}

    def replayed(binding):
        return last["sealed"] if last else good(binding)

    def header_bit(at):
        def change(binding):
            content, data = good(binding)
            return flipped(content, at), data

        return change

    def data_bit(at):
        def change(binding):
            content, data = good(binding)
            return content, flipped(data, at)

        return change

    length = len(good(app.binding)[0])
    cases = [
        ("tampered", "of a push", lambda binding: app.seal(v2.PUSH, bytes(16) + packed(text(9)), binding, False)),
        ("tampered", "bound to the connection", lambda _: good(app.binding)),
        ("tampered", "cut", lambda binding: (lambda sealed: (sealed[0], sealed[1][:-1]))(good(binding))),
        ("tampered", "a bit of the data", data_bit(0)),
        ("tampered", "a bit of the tag", data_bit(-1)),
        ("seal", "a bit of the version", header_bit(3)),
        ("seal", "a bit of a length", header_bit(2)),
        ("tampered", "a bit of the counter", header_bit(length - 5)),
        ("tampered", "the format", header_bit(length - 1)),
        ("seal", "no seal", None),
    ]
    before = await app.counts()
    for reason, what, make in cases:
        scrape = asyncio.create_task(app.scrape())
        stream, binding, _ = await app.asked()
        if make is None:
            await app.connection.answer(stream, b"", packed(text(9)))
        else:
            await app.answer(stream, *make(binding))
        answer = await scrape
        check("python_orders_total" not in answer, f"{what}: it is served")
        check(re.search(r'prometheus_proxy_app_up\{[^}]*python[^}]*\} 0', answer), f"{what}: the application is not down")
        check(neighbour is None or neighbour in answer, f"{what}: its neighbour is not served")
        after = await app.counts()
        grown = {name for name in REASONS if after[name] > before[name]}
        check(grown == {reason}, f"{what}: counted as {grown}, not {reason}")
        before = after
    # An answer that was served once is not served again.
    scrape = asyncio.create_task(app.scrape())
    stream, binding, _ = await app.asked()
    sealed = good(binding)
    await app.answer(stream, *sealed)
    check(is_served(await scrape, 9), "a good answer is served after all that")
    scrape = asyncio.create_task(app.scrape())
    stream, _, _ = await app.asked()
    await app.answer(stream, *sealed)
    check("python_orders_total" not in await scrape, "an answer is served again")


async def pushes(app, port, http):
    """A push is taken once, and comes again on another connection without being held twice."""
    idempotency = os.urandom(16)
    plain = idempotency + packed(b'python_pushed_total{instance="python"} 7\n')
    first = app.seal(v2.PUSH, plain, app.binding, True)
    check(await app.push(*first) is None, "the push is not stored")
    said = [await app.push(*first)]
    said.append(await app.push(*app.seal(v2.SCRAPE, plain, app.binding, True)))
    said.append(await app.push(*app.seal(v2.PUSH, plain, os.urandom(16), True)))
    content, data = app.seal(v2.PUSH, plain, app.binding, True)
    said.append(await app.push(content, flipped(data, 20)))
    # The last byte of the seal's content is one of the wrap.
    said.append(await app.push(flipped(content, -1), data))
    check(None not in said and len(set(said)) == 1, f"refusals tell what was wrong: {said}")
    await app.connection.end()
    again = await Application.connect(port, http)
    check(again.binding != app.binding, "each connection has a binding of its own")
    check(await again.push(*again.seal(v2.PUSH, plain, again.binding, True)) is None, "the same push, sealed anew")
    await again.connection.end()
    await asyncio.sleep(0.3)
    served = await again.scrape()
    check(served.count("python_pushed_total{") == 1, "the push is held once")


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rsocket", type=int, required=True)
    parser.add_argument("--http", type=int, required=True)
    parser.add_argument("--neighbour", help="a line that each scrape has as well")
    options = parser.parse_args()
    app = await Application.connect(options.rsocket, options.http)
    await answers(app)
    await refused_answers(app, options.neighbour)
    await pushes(app, options.rsocket, options.http)
    print("PASSED", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(asyncio.wait_for(main(), 100))
    except (Fault, EOFError, OSError, TimeoutError) as error:
        sys.exit(f"FAILED: {error!r}")
