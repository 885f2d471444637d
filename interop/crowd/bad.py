"""Neighbours that nobody wants, one coroutine for each kind. Each goes on until it is cancelled."""

import asyncio
import contextlib
import functools

import connection as wire
from connection import Connection, packed, sealed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# What other kinds send, as text.
TEXTS = {
    "nul": b"bad_before 1\nbad\0nul 2\nbad_after 3\n",
    "bad-utf8": b'bad_utf8{x="\xff\xfe"} 1\n',
    "duplicate-series": b"bad_twice 1\nbad_twice 2\n",
    "quoted-names": b'# TYPE "bad.quoted" gauge\n{"bad.quoted",app="quoted"} 1\nbad_label{"with.dot"="x"} 1\n',
    "openmetrics": b'# TYPE bad_open counter\nbad_open_total{x="1"} 1 # {trace_id="t"} 1.0\n# TYPE bad_info info\nbad_info{v="1"} 1\n# EOF\n',
    "stray-escapes": b'bad_escapes{re="\\d+",path="C:\\windows\\x"} 1\nbad_break{x="a\nb"} 1\n',
    "reserved-names": b'# TYPE prometheus_proxy_app_up gauge\nprometheus_proxy_app_up{app="good-1"} 0\nprometheus_proxy_scrape_active_connections 999\n',
}


async def forever():
    await asyncio.Event().wait()


async def sends(port, text):
    """Answers properly, with this text."""
    block = packed(text)
    peer = await Connection.open(port)
    while True:
        stream, key = await peer.request()
        await peer.answer(stream, *sealed(key, block))


async def hung(port):
    peer = await Connection.open(port)
    while True:
        await peer.receive()


async def slow_drip(port):
    peer = await Connection.open(port)
    stream, key = await peer.request()
    for frame in wire.payload_frames(stream, *sealed(key, packed(b"bad_slow 1\n"))):
        for byte in len(frame).to_bytes(3, "big") + frame:
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0.1)
    await forever()


async def reset_mid_frame(port):
    while True:
        peer = await Connection.open(port)
        stream, key = await peer.request()
        (frame,) = wire.payload_frames(stream, *sealed(key, packed(b"bad_reset 1\n")))
        peer.writer.write(len(frame).to_bytes(3, "big") + frame[: len(frame) // 2])
        await peer.writer.drain()
        peer.reset()


async def oversize(port):
    """More than 64 MiB of what could be an answer."""
    block = bytes(70_000_000)
    peer = await Connection.open(port)
    while True:
        stream, key = await peer.request()
        await peer.answer(stream, *sealed(key, block))


async def snappy_bomb(port):
    """240 megabytes that come in 12."""
    times, pattern = 4_000_000, b"# " + b"x" * 57 + b"\n"
    # A literal, and copies of it: a byte for kind and length, two for how far back.
    block = varint(times * len(pattern)) + bytes([59 << 2]) + pattern + bytes([59 << 2 | 2, len(pattern), 0]) * (times - 1)
    await answers_with(port, lambda key: sealed(key, block))


def varint(number):
    encoded = b""
    while number >= 0x80:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


async def announced_bomb(port):
    """Four gigabytes, by its announcement."""
    await answers_with(port, lambda key: sealed(key, varint((1 << 32) - 1) + b"\x00a"))


async def answers_with(port, answer):
    peer = await Connection.open(port)
    while True:
        stream, key = await peer.request()
        await peer.answer(stream, *answer(key))


async def wrong_key(port):
    """Seals what it sends for somebody else."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    other = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    await answers_with(port, lambda _: sealed(other, packed(b"bad_key 1\n")))


async def key_ignored(port):
    await answers_with(port, lambda _: (b"plaintext", b"bad_plain 1\n"))


async def empty_answer(port):
    await answers_with(port, lambda _: (None, b""))


async def million_series(port):
    text = "".join(f'bad_million{{number="{number}"}} {number}\n' for number in range(1_000_000))
    await sends(port, text.encode())


async def endless_labels(port):
    many = ",".join(f'l{number}="{number}"' for number in range(100_000))
    long = "x" * 5_000_000
    await sends(port, f'bad_labels{{{many}}} 1\nbad_long{{x="{long}"}} 1\n'.encode())


async def same_identity(port):
    """Two that cannot be told apart, with the same series."""
    await asyncio.gather(*(sends(port, f'bad_twin{{app="twin"}} {number}\n'.encode()) for number in (1, 2)))


async def push_and_vanish(port):
    while True:
        peer = await Connection.open(port)
        await peer.push(*sealed(await peer.key(), packed(b'bad_pushed{app="pushing"} 1\n')))
        await peer.end()
        await asyncio.sleep(0.5)


async def reconnect_loop(port):
    while True:
        peer = await Connection.open(port)
        peer.reset()
        await asyncio.sleep(0.02)


KINDS = {
    "hung": hung,
    "slow-drip": slow_drip,
    "reset-mid-frame": reset_mid_frame,
    "oversize": oversize,
    "snappy-bomb": snappy_bomb,
    "announced-bomb": announced_bomb,
    "wrong-key": wrong_key,
    "million-series": million_series,
    "endless-labels": endless_labels,
    "same-identity": same_identity,
    "push-and-vanish": push_and_vanish,
    "reconnect-loop": reconnect_loop,
    "key-ignored": key_ignored,
    "empty-answer": empty_answer,
    **{name: functools.partial(sends, text=text) for name, text in TEXTS.items()},
}


async def again(kind, port):
    """One kind, which comes back a little later whenever the proxy has thrown it out."""
    while True:
        with contextlib.suppress(OSError, EOFError):
            await KINDS[kind](port)
        await asyncio.sleep(0.2)
