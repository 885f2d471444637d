"""As much of WebSocket (RFC 6455) as a badly behaved client needs."""

import base64
import hashlib
from dataclasses import dataclass

from process import Failure, check

CONTINUATION, TEXT, BINARY, CLOSE, PING = 0x0, 0x1, 0x2, 0x8, 0x9
FINAL, MASKED = 0x80, 0x80
KEY = base64.b64encode(b"interop's nonce!").decode()
REQUEST = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
ACCEPT = base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())


@dataclass(frozen=True)
class Message:
    opcode: int
    data: bytes

    @property
    def close_code(self):
        """Why it is closed; None if that is not said."""
        return int.from_bytes(self.data[:2], "big") or None


def upgrade(wire):
    """Makes a connection a WebSocket."""
    wire.send(REQUEST)
    answer = wire.until(b"\r\n\r\n")
    check(answer.startswith(b"HTTP/1.1 101 "), f"the upgrade is answered {answer!r}")
    check(ACCEPT in answer, f"the answer to the upgrade has {ACCEPT!r}: {answer!r}")


def message(data, opcode=BINARY):
    """A whole message of a client, under the mask of all zeros, which changes nothing."""
    return header(len(data), opcode) + data


def header(length, opcode=BINARY, first=FINAL, masked=MASKED):
    """The head of a client's frame; `first` are the upper bits of its first byte."""
    if length < 126:
        sizes = bytes([masked | length])
    elif length < 1 << 16:
        sizes = bytes([masked | 126]) + length.to_bytes(2, "big")
    else:
        sizes = bytes([masked | 127]) + length.to_bytes(8, "big")
    return bytes([first | opcode]) + sizes + (bytes(4) if masked else b"")


def messages(data):
    """The messages in what a server has sent, which must all be whole."""
    found = []
    while data:
        check(len(data) >= 2 and data[0] & 0x70 == 0 and data[0] & FINAL, f"no whole message: {data!r}")
        check(not data[1] & MASKED, f"a server masks nothing: {data!r}")
        extra = {126: 2, 127: 8}.get(data[1], 0)
        start = 2 + extra
        length = int.from_bytes(data[2:start], "big") if extra else data[1]
        if len(data) < start + length:
            raise Failure(f"no whole message: {data!r}")
        found.append(Message(data[0] & 0x0F, data[start : start + length]))
        data = data[start + length :]
    return found
