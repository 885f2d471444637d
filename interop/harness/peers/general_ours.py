"""Our RSocket peer, which does everything in both roles, and the examples of the protocol's crate."""


class Server:
    """An echo server that says where it listens."""

    def __init__(self, process, transport):
        self.process = process
        self.listening = int(process.find(r"^listening on 127\.0\.0\.1:(\d+)$").group(1))
        self.url = transport.url(self.listening)

    def port(self, _transport):
        return self.listening


def our_server(bench, *flags):
    websocket = ["--websocket"] if bench.transport.websocket else []
    command = [bench.tools.our_peer(), *bench.variant.runtime_flags, "serve", "127.0.0.1:0", *websocket, *flags]
    return Server(bench.start("our-server", command), bench.transport)


def our_client(bench, server, *flags):
    command = [bench.tools.our_peer(), *bench.variant.runtime_flags, "call", server.url, *flags]
    return bench.start("our-client", command)


def example_server(bench, name):
    return Server(bench.start(name, [getattr(bench.tools, name)(), "127.0.0.1:0"]), bench.transport)
