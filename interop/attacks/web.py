"""HTTP requests with a limit for the whole of them, the address that they come from included."""

import gzip
import http.client
import io
import socket
import time

HOST = "127.0.0.1"
# No answer here may be longer.
LONGEST = 256 << 20


def connect(port, source=HOST, seconds=5.0, receive_buffer=None):
    """A TCP connection. Any address of 127.0.0.0/8 may be its source."""
    connection = socket.socket()
    try:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(seconds)
        connection.bind((source, 0))
        connection.connect((HOST, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def request(path, **headers):
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def scrape_request(timeout):
    """What Prometheus asks, with the timeout that it grants, in seconds."""
    return request(
        "/metrics/connected",
        X_Prometheus_Scrape_Timeout_Seconds=timeout,
        Accept="text/plain;version=0.0.4",
        Accept_Encoding="gzip",
    )


def exchange(port, wanted, seconds):
    """Sends a request over a connection of its own and gives status and body, which have to be there within the time."""
    end = time.monotonic() + seconds
    answer = bytearray()
    with connect(port, seconds=seconds) as connection:
        connection.sendall(wanted)
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no whole answer within {seconds:g} s")
            connection.settimeout(left)
            piece = connection.recv(1 << 18)
            if not piece:
                break
            answer += piece
            if len(answer) > LONGEST:
                raise OSError("an answer without end")
    return parsed(bytes(answer))


def parsed(answer):
    if not answer:
        raise ConnectionError("closed without an answer")
    try:
        response = http.client.HTTPResponse(Received(answer))
        response.begin()
        body = response.read()
        if response.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
    except (http.client.HTTPException, EOFError, ValueError) as error:
        raise OSError(f"a broken answer: {error!r}") from error
    return response.status, body


class Received:
    """Bytes in the place of a socket."""

    def __init__(self, data):
        self.data = data

    def makefile(self, _):
        return io.BytesIO(self.data)


def get(port, path, seconds=5.0):
    return exchange(port, request(path), seconds)


def scrape(port, timeout=3, seconds=8.0):
    return exchange(port, scrape_request(timeout), seconds)
