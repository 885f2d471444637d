"""What no well-behaved WebSocket client sends, while a Java application is connected: nothing of that is disturbed."""

import websocket
from case import case
from cases.beside import undisturbed
from exposition import get
from process import check
from rsocket import setup
from variant import WEBSOCKET
from websocket import CLOSE, CONTINUATION, FINAL, PING, TEXT

NEEDS = ("proxy", "java_client")

# The codes of RFC 6455, section 7.4.1.
PROTOCOL_ERROR, UNSUPPORTED_DATA, NOT_UTF8, TOO_BIG = 1002, 1003, 1007, 1009

# What follows the upgrade, and the codes that may be in the close frame that answers it.
GARBAGE = {
    "a frame without a mask": (websocket.header(5, masked=0) + b"hello", (PROTOCOL_ERROR,)),
    "a reserved opcode": (websocket.message(b"hello", 0x3), (PROTOCOL_ERROR,)),
    "reserved bits": (websocket.header(5, first=FINAL | 0x40) + b"hello", (PROTOCOL_ERROR,)),
    "a continuation of nothing": (websocket.message(b"hello", CONTINUATION), (PROTOCOL_ERROR,)),
    "a long ping": (websocket.message(b"?" * 126, PING), (PROTOCOL_ERROR,)),
    "a ping in fragments": (websocket.header(1, PING, first=0) + b"?", (PROTOCOL_ERROR,)),
    "a terabyte": (websocket.header(1 << 40), (PROTOCOL_ERROR, TOO_BIG)),
    "the longest length there is": (websocket.header((1 << 64) - 1), (PROTOCOL_ERROR, TOO_BIG)),
    "another request": (websocket.REQUEST, (PROTOCOL_ERROR,)),
}


def closed_with(bench, proxy, data):
    """The codes of the close frames that come after the upgrade and these bytes, until the proxy closes; it must close."""
    with bench.wire(proxy) as wire:
        websocket.upgrade(wire)
        wire.send(data)
        return [message.close_code for message in websocket.messages(wire.rest()) if message.opcode == CLOSE]


@case("bad-input/websocket-garbage", NEEDS, java_passes=False, transports=WEBSOCKET)
def garbage(bench):
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        for name, (junk, allowed) in GARBAGE.items():
            codes = closed_with(bench, proxy, junk)
            # A reset, where the junk was not read to its end, can overtake the close frame.
            check(all(code in allowed for code in codes) and len(codes) < 2, f"{name} is closed with {codes}, not {allowed}")


@case("bad-input/websocket-text", NEEDS, java_passes=False, transports=WEBSOCKET)
def text(bench):
    """RSocket is in binary messages. The Java proxy takes text for a frame."""
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        for message in (b"hello", setup()):
            codes = closed_with(bench, proxy, websocket.message(message, TEXT))
            check(codes in ([PROTOCOL_ERROR], [UNSUPPORTED_DATA], [NOT_UTF8]), f"text is closed with {codes}")


@case("bad-input/no-upgrade", NEEDS, java_passes=False, transports=WEBSOCKET)
def no_upgrade(bench):
    """A browser, or a Prometheus that was given the wrong port, is told what this port is for."""
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        status, said = get(proxy.port(bench.transport), "/metrics", trust=bench.trust)
        check(status == 426 and "websocket" in said.lower(), f"a plain GET is answered {status} {said!r}")
        with bench.wire(proxy) as wire:
            wire.send(websocket.REQUEST.replace(b"Version: 13", b"Version: 8"))
            head = wire.until(b"\r\n\r\n").lower()
            told = head.startswith(b"http/1.1 4") and b"sec-websocket-version: 13" in head
            check(told, f"an old version is answered {head!r}")
        proxy.await_connection_errors("websocket", more_than=1)
