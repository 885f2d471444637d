"""Bytes that no well-behaved peer sends, while a Java application is connected: nothing of that is disturbed."""

import websocket
from case import case
from cases.beside import undisturbed
from process import check
from rsocket import ERROR, INVALID_SETUP, frame, framed, frames, setup
from variant import TCP
from wire import exchange

NEEDS = ("proxy", "java_client")


def answered(bench, proxy, data):
    """The frames that come after a first frame, until the proxy closes; it must close."""
    with bench.wire(proxy) as wire:
        if not bench.transport.websocket:
            wire.send(framed(data))
            return frames(wire.rest())
        websocket.upgrade(wire)
        wire.send(websocket.message(data))
        messages = websocket.messages(wire.rest())
        return [frame(message.data) for message in messages if message.opcode == websocket.BINARY]


def refusal(answer):
    """The text of the one frame that a connection is refused with, before it is closed."""
    check(len(answer) == 1, f"one frame comes before the close, and not {answer}")
    (only,) = answer
    check((only.stream, only.kind) == (0, ERROR), f"that is an ERROR on stream 0, and not {only}")
    check(only.error_code == INVALID_SETUP, f"its code is INVALID_SETUP, and not {only.error_code:#x}")
    return only.error_text


@case("bad-input/other-version", NEEDS)
def other_version(bench):
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        text = refusal(answered(bench, proxy, setup(1, 1)))
        check(text == "Unsupported version: 1.1", f"the reason names the version: {text!r}")


@case("bad-input/no-setup", NEEDS)
def no_setup(bench):
    """A well-formed frame, but none to begin with: a KEEPALIVE."""
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        refusal(answered(bench, proxy, bytes.fromhex("00000000 0c80 0000000000000000")))


@case("bad-input/not-frames", NEEDS)
def not_frames(bench):
    """Lengths are right, what is in them is no frame. It is closed; whether with a reason is left open."""
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        for junk in (b"", b"\xff", b"\xff" * 6, b"\x00\x00\x00\x00\xf8\x00junk", bytes(range(256))):
            for found in answered(bench, proxy, junk):
                error = (found.stream, found.kind) == (0, ERROR)
                check(error, f"{junk!r} is answered by an ERROR, if at all, and not by {found}")


@case("bad-input/http-on-tcp", NEEDS, java_passes=False, transports=("tcp", "tls"))
def http_on_tcp(bench):
    """Read as a length, its first bytes announce megabytes. Waiting for those would keep the connection open."""
    proxy = bench.proxy()
    with undisturbed(bench, proxy), bench.wire(proxy) as wire:
        wire.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        refusal(frames(wire.rest()))


@case("bad-input/not-http", NEEDS, transports=TCP)
def not_http(bench):
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"
        for junk in (b"\x00\x01\x02 no HTTP\r\n\r\n", hello, framed(setup()) + b"\r\n\r\n"):
            status = exchange(proxy.http, junk).split(b"\r\n")[0]
            check(not status or status.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), f"{junk!r} is answered by {status!r}")
