"""Both roles of version 2 of the envelope, in Python (`../../envelope`), and somebody on the way who spoils the agreement on it."""

import contextlib
import socket
import threading

from process import check


class PythonApplication:
    def __init__(self, bench, proxy, neighbour):
        command = [*bench.tools.envelope("application"), "--rsocket", str(proxy.port(bench.transport)), "--http", str(proxy.http)]
        self.process = bench.start("python-application", [*command, "--neighbour", neighbour])

    def await_passed(self):
        said = self.process.find("^(PASSED|FAILED.*)$", 110)[1]
        check(said == "PASSED", f"the application says {said}")


class PythonProxy:
    """What `OurClient` needs to know of a proxy, and what it has said."""

    def __init__(self, bench, version):
        self.process = bench.start("python-proxy", [*bench.tools.envelope("proxy"), "--version", str(version)])
        self.listens_at = int(self.process.find(r"^LISTENING (\d+)$")[1])

    def port(self, _transport):
        return self.listens_at

    def expect(self, what, version, line):
        """Text that it has got, as Python writes it."""
        self.process.find(f"^{what} {version} .*{line}")


class Spoiler:
    """Carries bytes between a client and a proxy, and gives an entry of composite metadata another name wherever it sees it."""

    def __init__(self, port, entry):
        self.there, self.entry = port, entry
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.here = self.listener.getsockname()[1]
        self.seen = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def port(self, _transport):
        return self.here

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                proxy = socket.create_connection(("127.0.0.1", self.there))
                for source, sink in ((client, proxy), (proxy, client)):
                    threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    def carry(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                self.seen += data.count(self.entry)
                sink.sendall(data.replace(self.entry, b"X" * len(self.entry)))
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
