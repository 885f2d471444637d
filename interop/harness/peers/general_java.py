"""rsocket-java itself, in both roles."""

from peers.general_ours import Server
from peers.java import java


def java_server(bench, *flags):
    command = [*java(bench.tools.java_general(), "interop.EchoServer"), "--transport", bench.transport.name, *flags]
    return Server(bench.start("java-server", command), bench.transport)


def java_client(bench, server, *flags):
    command = java(bench.tools.java_general(), "interop.EchoClient")
    return bench.start("java-client", [*command, "--transport", bench.transport.name, "--port", str(server.port(bench.transport)), *flags])
