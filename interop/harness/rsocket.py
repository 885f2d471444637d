"""As much of RSocket as a badly behaved peer needs: bytes made by hand, and the frames that come back."""

from dataclasses import dataclass

from process import Failure

ERROR = 0x0B
INVALID_SETUP = 0x001


@dataclass(frozen=True)
class Frame:
    stream: int
    kind: int
    body: bytes

    @property
    def error_code(self):
        return int.from_bytes(self.body[:4], "big")

    @property
    def error_text(self):
        return self.body[4:].decode(errors="replace")


def framed(data):
    """A frame behind its 24-bit length, as on TCP."""
    return len(data).to_bytes(3, "big") + data


def setup(major=1, minor=0):
    """The SETUP frame that every Java client begins with, of any version."""
    mime_type = b"\x12application/binary"
    header = bytes.fromhex("00000000 0400")
    version = major.to_bytes(2, "big") + minor.to_bytes(2, "big")
    keepalive = (20_000).to_bytes(4, "big") + (90_000).to_bytes(4, "big")
    return header + version + keepalive + mime_type + mime_type


def frames(data):
    """The frames in what a peer has sent over TCP."""
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        if len(data) < 3 + length:
            raise Failure(f"no whole frame: {data!r}")
        found.append(frame(data[3 : 3 + length]))
        data = data[3 + length :]
    return found


def frame(data):
    """One frame, without its length."""
    if len(data) < 6:
        raise Failure(f"no frame: {data!r}")
    return Frame(int.from_bytes(data[:4], "big"), data[4] >> 2, data[6:])
