"""An RSocket peer that sends what it likes, over a blocking socket, and the frames that attacks are made of."""

import asyncio
import contextlib
import os
import socket
import struct
import threading
import time

import connection as wire
import web
from connection import packed, sealed
from process import until

EXT, REQUEST_STREAM = 0x3F, 6
PLAINTEXT = b"plaintext"


def framed(frame):
    """A frame as it goes over TCP."""
    return len(frame).to_bytes(3, "big") + frame


def setup(labels=None, interval_ms=20_000, lifetime_ms=90_000):
    """SETUP as the crowd writes it, with other times."""
    frame = wire.setup(labels)
    return frame[:10] + struct.pack(">II", interval_ms, lifetime_ms) + frame[18:]


def keepalive(data=b"", respond=True):
    return wire.frame(0, wire.KEEPALIVE, wire.RESPOND if respond else 0, bytes(8) + data)


def error(code, data, stream=0):
    return wire.frame(stream, wire.ERROR, 0, struct.pack(">I", code) + data)


def push(stream, metadata, data, acknowledged=False):
    kind = wire.REQUEST_RESPONSE if acknowledged else wire.REQUEST_FNF
    return wire.frame(stream, kind, wire.METADATA, wire.sized(metadata) + data)


def reset(connection):
    """Ends a connection at once, and lets the other side know."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def odd_streams():
    """The numbers of a client's streams."""
    return iter(range(1, 0x7FFF_FFFF, 2))


class Peer:
    """One connection. What it waits for has a limit; `ended` and what is told says how the proxy ended it."""

    def __init__(self, port, labels=None, source=web.HOST, receive_buffer=None, introduced=True, **times):
        self.socket = web.connect(port, source, seconds=10.0, receive_buffer=receive_buffer)
        self.received = bytearray()
        self.public = None
        if introduced:
            self.send(setup(labels, **times))

    def close(self):
        # A thread that reads or writes is woken by it.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self):
        reset(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(map(framed, frames)))

    def receive(self, seconds=10.0):
        """The next frame: stream, kind, flags, and the rest."""
        end = time.monotonic() + seconds
        while not self.whole():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no frame")
            self.socket.settimeout(left)
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise EOFError("closed")
            self.received += piece
        length = int.from_bytes(self.received[:3], "big")
        frame = bytes(self.received[3 : 3 + length])
        del self.received[: 3 + length]
        stream, head = struct.unpack(">IH", frame[:6])
        return stream, head >> 10, head & 0x3FF, frame[6:]

    def whole(self):
        return len(self.received) >= 3 and len(self.received) >= 3 + int.from_bytes(self.received[:3], "big")

    def until(self, *kinds, seconds=10.0):
        """The next frame of some kinds; KEEPALIVE is answered meanwhile."""
        end = time.monotonic() + seconds
        while True:
            stream, kind, flags, rest = self.receive(max(0.01, end - time.monotonic()))
            if kind in kinds:
                return stream, kind, flags, rest
            if kind == wire.KEEPALIVE and flags & wire.RESPOND:
                self.send(keepalive(rest[8:], respond=False))

    def key(self):
        """The proxy's public key, which it sends at once."""
        _, kind, flags, rest = self.until(wire.REQUEST_FNF, wire.ERROR)
        if kind == wire.ERROR:
            raise ConnectionError(f"refused: {rest[4:200]!r}")
        self.public = wire.data_of(flags, rest)
        return self.public

    def drain(self):
        """Reads and forgets all that comes, until the end."""
        self.socket.settimeout(None)
        while self.socket.recv(1 << 18):
            pass

    def answers(self, reply):
        """Answers every request by `reply(key)`, metadata and data, until the end."""
        while True:
            try:
                stream, kind, flags, rest = self.until(wire.REQUEST_RESPONSE, wire.ERROR, seconds=5.0)
            except TimeoutError:
                self.send(keepalive())
                continue
            if kind == wire.REQUEST_RESPONSE:
                self.send(*wire.payload_frames(stream, *reply(wire.data_of(flags, rest))))

    def ending(self, seconds=10.0):
        """Reads until the proxy closes: the data of the ERROR on stream 0 before that, or `None` where there was none."""
        end, told = time.monotonic() + seconds, None
        while True:
            try:
                stream, kind, _, rest = self.receive(max(0.01, end - time.monotonic()))
            except (EOFError, ConnectionError):
                return told
            if (stream, kind) == (0, wire.ERROR):
                told = rest[4:].decode(errors="replace")


class Cached:
    """Seals a text once for each key."""

    def __init__(self, text):
        self.block, self.sealed = packed(text), {}

    def __call__(self, key):
        if key not in self.sealed:
            self.sealed = {key: sealed(key, self.block)}
        return self.sealed[key]


def pushed(port, text, labels=None, seconds=10.0):
    """Pushes a last text and waits until it is acknowledged; whether it was."""
    with Peer(port, labels) as peer:
        peer.send(push(1, *sealed(peer.key(), packed(text)), acknowledged=True))
        end = time.monotonic() + seconds
        while True:
            stream, kind, _, _ = peer.until(wire.PAYLOAD, wire.ERROR, seconds=max(0.01, end - time.monotonic()))
            if stream == 1:
                return kind == wire.PAYLOAD


def envelope(key, block, text):
    """A text for the holder of a key: sealed, or as it is where the proxy asks for that."""
    return (PLAINTEXT, text) if key == PLAINTEXT else sealed(key, block)


@contextlib.contextmanager
def applications(port, count, text):
    """So many applications that behave, as long as the body lasts; `text(number)` is what they have."""
    connected = []

    async def application(number):
        body = text(number)
        block = packed(body)
        with contextlib.suppress(OSError, EOFError):
            peer = await wire.Connection.open(port, {"app": f"crowd-{number}"})
            try:
                await peer.key()
                connected.append(number)
                while True:
                    stream, key = await peer.request()
                    await peer.answer(stream, *envelope(key, block, body))
            finally:
                peer.reset()

    async def run(stop):
        tasks = [asyncio.create_task(application(number)) for number in range(count)]
        await stop.wait()
        for task in tasks:
            task.cancel()
        # Each ends its connection: half an answer in the proxy's buffers is no memory that it keeps.
        await asyncio.gather(*tasks, return_exceptions=True)

    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(stop),), daemon=True)
    thread.start()
    try:
        until(f"{count} applications are connected", lambda: len(connected) == count, seconds=30.0)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def answering(world, port, text, labels=None, source=web.HOST):
    """An application that behaves, in a thread of its own."""
    peer = world.keep(Peer(port, labels, source))
    peer.key()
    world.background(peer.answers, Cached(text))
    return peer


def mute(world, port):
    """One that never answers."""
    peer = world.keep(Peer(port, {"app": "mute"}))
    peer.key()
    return peer


def random_text(name, size):
    """A text of one series that no compression makes smaller by more than half."""
    return f'{name}{{filler="{os.urandom(size // 2).hex()}"}} 1\n'.encode()


def repetitive_text(name, size):
    """A text of many series, which Snappy makes some twenty times smaller."""
    line = f'{name}{{number="%d",filler="{"x" * 300}"}} 1\n'
    return "".join(line % number for number in range(size // len(line))).encode()


def flood(peer, frames, stop):
    """Sends what a function of the stream's number makes, as fast as it is taken, in pieces of some frames."""
    numbers = odd_streams()
    peer.socket.settimeout(None)
    while not stop.is_set():
        peer.send(*(frames(next(numbers)) for _ in range(100)))


@contextlib.contextmanager
def flooding(world, peers, frames):
    """Peers that flood as long as the body lasts; `frames(peer)` gives the function of each. They read what comes back."""
    stop = threading.Event()
    threads = []
    for peer in peers:
        threads += [world.background(flood, peer, frames(peer), stop), world.background(peer.drain)]
    try:
        yield
    finally:
        stop.set()
        for peer in peers:
            peer.close()
        for thread in threads:
            thread.join(5)
