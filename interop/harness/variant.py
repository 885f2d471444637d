"""How the two sides are connected in a run, and on which runtime ours run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Transport:
    """One way to connect. Another one is one more entry of TRANSPORTS, and its flags in the peers that need some."""

    name: str  # as the Java client's --transport calls it
    scheme: str  # of our client's --proxy
    listener: str  # as our proxy calls it: in --listen-NAME and --NAME-tls-…, and in the field `listener` of its log
    websocket: bool = False
    tls: bool = False

    def url(self, port):
        return f"{self.scheme}://127.0.0.1:{port}" + ("/" if self.websocket else "")


TRANSPORTS = {
    "tcp": Transport("tcp", "tcp", "tcp"),
    "websocket": Transport("websocket", "ws", "websocket", websocket=True),
    "tls": Transport("tls", "tls", "tcp", tls=True),
    "wss": Transport("wss", "wss", "websocket", websocket=True, tls=True),
}
LISTENERS = ("tcp", "websocket")
RUNTIMES = ("tokio", "smol")

# For cases that make sense over some transports only.
TCP = ("tcp",)
WEBSOCKET = ("websocket", "wss")
TLS = ("tls", "wss")
PLAIN = ("tcp", "websocket")


@dataclass(frozen=True)
class Variant:
    """One pass over the cases."""

    transport: Transport
    runtime: str | None  # None: ours are not the ones under test

    @property
    def label(self):
        return self.transport.name + (f"+{self.runtime}" if self.runtime else "")

    @property
    def runtime_flags(self):
        return ["--runtime", self.runtime] if self.runtime else []
