"""A connection of a peer that behaves badly: bytes made by hand, and whatever comes back until the other side closes."""

import socket
import ssl
import time

from process import Failure


class Wire:
    """One connection to a port of the loopback address. What it waits for has a limit."""

    def __init__(self, port, trust=None, seconds=10.0):
        self.seconds = seconds
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        if trust:
            try:
                self.socket = trust.wrap_socket(self.socket, server_hostname="127.0.0.1")
            except OSError:
                self.socket.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Sends bytes. That the other side has closed already is found out by who reads."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            pass

    def until(self, end):
        """What comes up to some bytes, and these."""
        answer = b""
        while not answer.endswith(end):
            # One by one: what follows belongs to who reads next.
            byte = self.socket.recv(1)
            if not byte:
                raise Failure(f"it closed after {answer!r}")
            answer += byte
        return answer

    def rest(self):
        """All that comes until the other side closes; it must close."""
        answer = b""
        end = time.monotonic() + self.seconds
        try:
            while chunk := self.receive(end):
                answer += chunk
        except (ConnectionError, ssl.SSLError):
            pass  # A reset ends the connection as well: bytes that were never read were still on their way.
        except TimeoutError as error:
            raise Failure(f"the connection is still open after {self.seconds:g} s; it answered {answer!r}") from error
        return answer

    def receive(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
        return self.socket.recv(65_536)


def exchange(port, data, trust=None, seconds=10.0):
    """Sends bytes, then gives all that comes until the other side closes; it must close."""
    with Wire(port, trust, seconds) as wire:
        wire.send(data)
        return wire.rest()
