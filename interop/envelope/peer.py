"""What both roles of version 2 of the envelope need beside `envelope_2.py`: RSocket and Snappy are those of the crowd."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "crowd"))

import cramjam  # noqa: E402
import connection as wire  # noqa: E402
import envelope_2 as v2  # noqa: E402


class Fault(Exception):
    """The other side has not done what it should."""


def check(condition, what):
    if not condition:
        raise Fault(what)


def split(flags, rest):
    """Metadata and data of a frame; metadata is None where there is none."""
    if not flags & wire.METADATA:
        return None, rest
    size = int.from_bytes(rest[:3], "big")
    return rest[3 : 3 + size], rest[3 + size :]


def packed(text):
    return bytes(cramjam.snappy.compress_raw(text))


def unpacked(block):
    return bytes(cramjam.snappy.decompress_raw(block))


def request(stream, kind, metadata, data):
    """A frame that begins a request."""
    flags = wire.METADATA if metadata is not None else 0
    return wire.frame(stream, kind, flags, (wire.sized(metadata) if metadata is not None else b"") + data)
