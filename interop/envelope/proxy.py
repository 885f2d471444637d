"""A proxy that takes one application in version 2 of the envelope, or offers none so that it is version 1.

It says `LISTENING port`, `SCRAPED version text` for each of three scrapes, `PUSHED version text`, and `ENDED` once the application is gone. `FAILED` says
what the application has not done as docs/envelope-2.md says.
"""

import argparse
import asyncio
import os
import sys

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from peer import Fault, check, request, split, unpacked, v2, wire


class Proxy:
    def __init__(self, connection, offers):
        self.connection, self.offers = connection, offers
        self.private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self.der = v2.spki(self.private.public_key())
        # Content keys by their ids, and the counters that came under each.
        self.known, self.counters = {}, {}
        self.pushes = os.urandom(16)
        self.next_stream = 2

    async def run(self):
        _, kind, flags, rest = await self.connection.receive()
        check(kind == wire.SETUP, f"SETUP comes first, not a frame of kind {kind}")
        check(flags & wire.METADATA, "SETUP has a hello")
        hello = v2.find_entry(setup_metadata(rest), wire.HELLO)
        check(hello is not None and b"\x02" in v2.fields(hello).get(1, []), "the hello lists version 2")
        self.ask(wire.REQUEST_FNF, self.pushes)
        latest = None
        for number in range(3):
            binding = os.urandom(16)
            stream = self.ask(wire.REQUEST_RESPONSE, binding, latest)
            metadata, data = await self.answer(stream)
            if self.offers:
                wrapped = v2.fields(v2.find_entry(metadata, v2.SEAL)).get(6)
                check((wrapped is None) == (number > 0), f"the wrap is attached to answer {number}: {wrapped is not None}")
            self.say("SCRAPED", self.open(metadata, data, binding, v2.SCRAPE))
            latest = next(reversed(self.known), None)
        await self.pushed()

    def ask(self, kind, binding, known=None):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        metadata = v2.offer(binding, known) if self.offers else None
        self.connection.send(request(stream, kind, metadata, self.der))
        return stream

    async def answer(self, stream):
        await self.connection.writer.drain()
        while True:
            other, kind, flags, rest = await self.connection.receive()
            check(kind != wire.ERROR, f"the application says {rest[4:]!r}")
            if other == stream and kind == wire.PAYLOAD:
                return split(flags, rest)

    async def pushed(self):
        """The last metrics, each of which is stored at once; then the end."""
        try:
            while True:
                stream, kind, flags, rest = await self.connection.receive()
                if kind == wire.REQUEST_RESPONSE:
                    self.say("PUSHED", self.open(*split(flags, rest), self.pushes, v2.PUSH))
                    self.connection.send(wire.frame(stream, wire.PAYLOAD, wire.COMPLETE, b""))
                    await self.connection.writer.drain()
        except (EOFError, ConnectionError):
            print("ENDED", flush=True)

    def say(self, what, text):
        print(what, 2 if self.offers else 1, repr(text.decode()), flush=True)

    def open(self, metadata, data, binding, purpose):
        if not self.offers:
            return self.open_v1(metadata, data)
        plain = v2.open_sealed(self.private, metadata, data, binding, purpose, self.known)
        found = v2.fields(v2.find_entry(metadata, v2.SEAL))
        key_id = found[3][0]
        if 6 in found:
            self.known[key_id] = self.private.decrypt(found[6][0][32:], v2.oaep())
        counters = self.counters.setdefault(key_id, [])
        counters.append(int.from_bytes(found[4][0], "big"))
        check(counters == list(range(len(counters))), f"counters are {counters}")
        check(len(self.counters) == 1, "one content key is enough for a connection")
        return unpacked(plain[16:] if purpose == v2.PUSH else plain)

    def open_v1(self, wrapped, data):
        oaep = rsa_padding.OAEP(mgf=rsa_padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA256(), label=None)
        cipher = Cipher(algorithms.AES(self.private.decrypt(wrapped, oaep)), modes.ECB()).decryptor()
        filler = padding.PKCS7(128).unpadder()
        return unpacked(filler.update(cipher.update(data) + cipher.finalize()) + filler.finalize())


def setup_metadata(rest):
    """The metadata of a SETUP without a token to resume: behind the times and the two MIME types."""
    at = 12
    for _ in range(2):
        at += 1 + rest[at]
    return rest[at + 3 : at + 3 + int.from_bytes(rest[at : at + 3], "big")]


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", type=int, choices=(1, 2), default=2)
    options = parser.parse_args()
    done = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        try:
            await Proxy(wire.Connection(reader, writer), options.version == 2).run()
            done.done() or done.set_result(None)
        except Exception as error:
            done.done() or done.set_exception(error)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    print("LISTENING", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.wait_for(done, 100)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (Fault, v2.Refused, EOFError, OSError, TimeoutError, ValueError) as error:
        sys.exit(f"FAILED: {error!r}")
