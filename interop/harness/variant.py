"""How the two sides are connected in a run, and on which runtime ours run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Transport:
    """One way to connect. Another one (TLS) is one more entry of TRANSPORTS, and its flags in the peers that need some."""

    name: str  # as the Java client's --transport calls it
    scheme: str  # of our client's --proxy
    listener: str  # as our proxy calls it: the flag --listen-NAME, and the field `listener` of its log

    def url(self, port):
        return f"{self.scheme}://127.0.0.1:{port}" + ("/" if self.scheme.startswith("ws") else "")


TRANSPORTS = {
    "tcp": Transport("tcp", "tcp", "tcp"),
    "websocket": Transport("websocket", "ws", "websocket"),
}
LISTENERS = ("tcp", "websocket")


@dataclass(frozen=True)
class Variant:
    """One pass over the cases."""

    transport: Transport
    runtime: str | None = None  # None: whatever ours choose by themselves

    @property
    def label(self):
        return self.transport.name + (f"+{self.runtime}" if self.runtime else "")

    @property
    def runtime_flags(self):
        return ["--runtime", self.runtime] if self.runtime else []
