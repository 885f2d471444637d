"""Peers that never get as far as RSocket, while a Java application is connected: nothing of that is disturbed."""

import time
from contextlib import ExitStack

import websocket
from case import case
from cases.beside import undisturbed
from process import Failure, check
from rsocket import framed, setup
from variant import PLAIN, TLS
from wire import Wire, exchange

NEEDS = ("our_proxy", "java_client", "certificates")
# The first bytes of a TLS record (512 bytes), and of the ClientHello in it.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
# Long enough for a JVM that has just started.
TIMEOUT = ("--handshake-timeout", "3s")


@case("bad-input/tls-on-plain", NEEDS, java_passes=False, transports=PLAIN)
def tls_on_plain(bench):
    """A client that wants TLS is closed, so that it need not wait to know."""
    proxy = bench.proxy()
    with undisturbed(bench, proxy):
        for port in (proxy.port(bench.transport), proxy.http):
            try:
                Wire(port, bench.certificates.authority.trust(), seconds=5).socket.close()
            except TimeoutError as error:
                raise Failure(f"the port of {bench.transport.listener if port != proxy.http else 'http'} waits") from error
            except OSError:
                continue
            raise Failure(f"port {port} speaks TLS")


@case("bad-input/plain-on-tls", NEEDS, java_passes=False, transports=TLS)
def plain_on_tls(bench):
    """One that does not is closed as well, and counted; an alert of TLS may come first."""
    proxy = bench.proxy(https=bench.certificates.server)
    with undisturbed(bench, proxy):
        greetings = (framed(setup()), websocket.REQUEST, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for greeting in greetings:
            answer = exchange(proxy.port(bench.transport), greeting)
            check(answer[:1] in (b"", b"\x15"), f"{greeting[:20]!r} is answered {answer!r}")
            answer = exchange(proxy.http, greeting)
            check(not answer.startswith(b"HTTP/1.1 2"), f"HTTP over TLS serves without TLS: {answer!r}")
        proxy.await_connection_errors("tls", more_than=len(greetings) - 1)
        proxy.await_http_tls_errors(more_than=len(greetings) - 1)
        proxy.process.find("WARN.*TLS", 5)


@case("bad-input/handshake-stalls", NEEDS, java_passes=False, transports=("websocket", *TLS))
def handshake_stalls(bench):
    """Silence, half a handshake, and one that comes byte by byte: closed when the time for it is over."""
    proxy = bench.proxy(TIMEOUT)
    with undisturbed(bench, proxy), ExitStack() as open_wires:
        port = proxy.port(bench.transport)
        beginning = HELLO if bench.transport.tls else websocket.REQUEST[:-10]
        wires = []
        for trust, data in stalls(bench, beginning):
            wires.append(open_wires.enter_context(Wire(port, trust)))
            wires[-1].send(data)
        with Wire(port) as wire:
            drip(wire, beginning)
        for wire in wires:
            answer = wire.rest()
            check(b" 101 " not in answer, f"half a handshake is answered {answer!r}")
        for cause in {"tls": ["tls"], "websocket": ["websocket"], "wss": ["tls", "websocket"]}[bench.transport.name]:
            proxy.await_connection_errors(cause)


def stalls(bench, beginning):
    """How far each handshake gets: whom it trusts if it comes through TLS, and the bytes that it sends."""
    yield None, b""
    yield None, beginning
    if bench.transport.name == "wss":
        yield bench.trust, b""
        yield bench.trust, websocket.REQUEST[:-10]


def drip(wire, data, seconds=8.0):
    """Sends a byte now and then until the other side closes; it must close before all is sent."""
    end = time.monotonic() + seconds
    for byte in data:
        check(time.monotonic() < end, f"a handshake that comes byte by byte may take more than {seconds:g} s")
        wire.send(bytes([byte]))
        wire.socket.settimeout(0.15)
        try:
            while wire.socket.recv(4096):
                pass
            return
        except TimeoutError:
            continue
        except OSError:
            return
    raise Failure("a handshake may come byte by byte, however long it takes")
