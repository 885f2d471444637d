"""An application's side of the wire, written from the description of it alone: RSocket over TCP, the hello, and the envelope, version 1."""

import asyncio
import os
import struct

import cramjam
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SETUP, KEEPALIVE, REQUEST_RESPONSE, REQUEST_FNF, CANCEL, PAYLOAD, ERROR, METADATA_PUSH = 1, 3, 4, 5, 9, 10, 11, 12
METADATA, FOLLOWS, RESPOND, COMPLETE, NEXT = 0x100, 0x80, 0x80, 0x40, 0x20
BINARY = b"application/binary"
COMPOSITE = b"message/x.rsocket.composite-metadata.v0"
HELLO = b"application/x.prometheus-rsocket.hello.v1"
LONGEST_FRAME = 16_000_000


class Connection:
    """One connection to a proxy, which has sent its SETUP."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, labels=None):
        """Connects. With labels, it says a hello."""
        # More than one full frame: the whole of it is wanted at once.
        connection = cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
        connection.send(setup(labels))
        await connection.writer.drain()
        return connection

    def send(self, frame):
        self.writer.write(len(frame).to_bytes(3, "big") + frame)

    async def receive(self):
        """The next frame: its stream, kind, flags and the rest. KEEPALIVE is answered, and not given."""
        while True:
            length = int.from_bytes(await self.reader.readexactly(3), "big")
            frame = await self.reader.readexactly(length)
            stream, head = struct.unpack(">IH", frame[:6])
            kind, flags = head >> 10, head & 0x3FF
            if kind != KEEPALIVE:
                return stream, kind, flags, frame[6:]
            if flags & RESPOND:
                self.send(frame[:4] + struct.pack(">H", KEEPALIVE << 10) + bytes(8) + frame[14:])
                await self.writer.drain()

    async def key(self):
        """The proxy's public key, which it sends at once."""
        while True:
            _, kind, flags, rest = await self.receive()
            if kind == REQUEST_FNF:
                return data_of(flags, rest)

    async def request(self):
        """The next scrape: its stream and the key that it comes with."""
        while True:
            stream, kind, flags, rest = await self.receive()
            if kind == REQUEST_RESPONSE:
                return stream, data_of(flags, rest)

    async def answer(self, stream, metadata, data):
        for frame in payload_frames(stream, metadata, data):
            self.send(frame)
            await self.writer.drain()

    async def push(self, metadata, data):
        """A push that does not wait for an answer."""
        self.send(frame(1, REQUEST_FNF, METADATA, sized(metadata) + data))
        await self.writer.drain()

    async def end(self):
        """Ends it as Java's clients do."""
        self.send(frame(0, ERROR, 0, (0x101).to_bytes(4, "big") + b"Disposed"))
        self.writer.close()

    def reset(self):
        """Ends it without a word, and without waiting for what is still to be sent."""
        self.writer.transport.abort()


def frame(stream, kind, flags, rest):
    return struct.pack(">IH", stream, kind << 10 | flags) + rest


def sized(data):
    return len(data).to_bytes(3, "big") + data


def data_of(flags, rest):
    return rest[3 + int.from_bytes(rest[:3], "big") :] if flags & METADATA else rest


def setup(labels):
    times = struct.pack(">HHII", 1, 0, 20_000, 90_000)
    mime = lambda name: bytes([len(name)]) + name
    if labels is None:
        return frame(0, SETUP, 0, times + mime(BINARY) + mime(BINARY))
    return frame(0, SETUP, METADATA, times + mime(COMPOSITE) + mime(BINARY) + sized(hello(labels)))


def hello(labels):
    """An entry of composite metadata; its fields are a number, a length and a value each."""
    field = lambda number, value: struct.pack(">BH", number, len(value)) + value
    fields = b"".join(field(3, bytes([len(name)]) + name.encode() + value.encode()) for name, value in labels.items())
    fields += field(4, b"crowd/1")
    return bytes([len(HELLO) - 1]) + HELLO + sized(fields)


def payload_frames(stream, metadata, data):
    """A PAYLOAD that ends its request, in as many frames as it takes."""
    start = sized(metadata) if metadata is not None else b""
    flags = METADATA if metadata is not None else 0
    whole = start + data
    pieces = [whole[at : at + LONGEST_FRAME] for at in range(0, len(whole), LONGEST_FRAME)] or [b""]
    for number, piece in enumerate(pieces):
        first = flags if number == 0 else 0
        last = COMPLETE if number == len(pieces) - 1 else FOLLOWS
        yield frame(stream, PAYLOAD, first | last | NEXT, piece)


def sealed(key, block):
    """The envelope around a Snappy block, for the holder of a key: metadata and data."""
    public = serialization.load_der_public_key(key)
    secret = os.urandom(16)
    wrapped = public.encrypt(secret, OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA256(), label=None))
    filler = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()
    return wrapped, cipher.update(filler.update(block) + filler.finalize()) + cipher.finalize()


def packed(text):
    return bytes(cramjam.snappy.compress_raw(text))
