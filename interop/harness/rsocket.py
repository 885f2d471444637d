"""As much of RSocket over TCP as a badly behaved peer needs: bytes made by hand, and the frames that come back."""

import socket
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


def framed(frame):
    """A frame behind its 24-bit length, as on TCP."""
    return len(frame).to_bytes(3, "big") + frame


def setup(major=1, minor=0):
    """The SETUP frame that every Java client begins with, of any version."""
    mime_type = b"\x12application/binary"
    header = bytes.fromhex("00000000 0400")
    version = major.to_bytes(2, "big") + minor.to_bytes(2, "big")
    keepalive = (20_000).to_bytes(4, "big") + (90_000).to_bytes(4, "big")
    return header + version + keepalive + mime_type + mime_type


def exchange(port, data, seconds=10.0):
    """Sends bytes, then gives all that comes until the other side closes; it must close."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(data)
            while chunk := connection.recv(65_536):
                answer += chunk
        except ConnectionError:
            pass  # A reset ends the connection as well: bytes that were never read were still on their way.
        except TimeoutError as error:
            raise Failure(f"the connection is still open {seconds:g} s after {data[:40]!r}; it answered {answer!r}") from error
    return answer


def frames(data):
    """The frames in what a peer has sent over TCP."""
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        frame = data[3 : 3 + length]
        if len(data) < 3 or len(frame) < length or length < 6:
            raise Failure(f"no whole frame: {data!r}")
        found.append(Frame(int.from_bytes(frame[:4], "big"), frame[4] >> 2, frame[6:]))
        data = data[3 + length :]
    return found
