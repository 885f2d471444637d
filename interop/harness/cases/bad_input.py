"""Bytes that no well-behaved peer sends, while a Java application is connected: nothing of that is disturbed."""

from case import case
from exposition import orders
from process import check
from rsocket import ERROR, INVALID_SETUP, exchange, framed, frames, setup

NEEDS = ("proxy", "java_client")
TCP = ("tcp",)


def beside_an_application(bench):
    proxy = bench.proxy()
    bench.java_client(proxy, "steady", 4)
    proxy.expect("steady", 4)
    return proxy


def undisturbed(proxy):
    check(orders(proxy.scrape(), "steady") == 4, "the application is served as before")


def refusal(port, data):
    """The one frame that a connection is refused with, before it is closed."""
    answer = frames(exchange(port, data))
    check(len(answer) == 1, f"one frame comes before the close, and not {answer}")
    (frame,) = answer
    check((frame.stream, frame.kind) == (0, ERROR), f"that is an ERROR on stream 0, and not {frame}")
    check(frame.error_code == INVALID_SETUP, f"its code is INVALID_SETUP, and not {frame.error_code:#x}")
    return frame.error_text


@case("bad-input/other-version", NEEDS, transports=TCP)
def other_version(bench):
    proxy = beside_an_application(bench)
    text = refusal(proxy.tcp, framed(setup(1, 1)))
    check(text == "Unsupported version: 1.1", f"the reason names the version: {text!r}")
    undisturbed(proxy)


@case("bad-input/no-setup", NEEDS, transports=TCP)
def no_setup(bench):
    """A well-formed frame, but none to begin with: a KEEPALIVE."""
    proxy = beside_an_application(bench)
    refusal(proxy.tcp, framed(bytes.fromhex("00000000 0c80 0000000000000000")))
    undisturbed(proxy)


@case("bad-input/not-frames", NEEDS, transports=TCP)
def not_frames(bench):
    """Lengths are right, what is in them is no frame. It is closed; whether with a reason is left open."""
    proxy = beside_an_application(bench)
    for junk in (b"", b"\xff", b"\xff" * 6, b"\x00\x00\x00\x00\xf8\x00junk", bytes(range(256))):
        for frame in frames(exchange(proxy.tcp, framed(junk))):
            check((frame.stream, frame.kind) == (0, ERROR), f"{junk!r} is answered by an ERROR, if at all, and not by {frame}")
    undisturbed(proxy)


@case("bad-input/http-on-tcp", NEEDS, java_passes=False, transports=TCP)
def http_on_tcp(bench):
    """Read as a length, its first bytes announce megabytes. Waiting for those would keep the connection open."""
    proxy = beside_an_application(bench)
    refusal(proxy.tcp, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    undisturbed(proxy)


@case("bad-input/not-http", NEEDS)
def not_http(bench):
    proxy = beside_an_application(bench)
    for junk in (b"\x00\x01\x02 no HTTP\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", framed(setup()) + b"\r\n\r\n"):
        answer = exchange(proxy.http, junk)
        status = answer.split(b"\r\n")[0]
        check(not answer or status.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), f"{junk!r} is answered by {status!r}")
    undisturbed(proxy)
