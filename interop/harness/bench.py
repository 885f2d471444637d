"""What one case works with: peers that are started for it, and ended with it."""

import os
import shutil
import tempfile

from peers.endpoint import Endpoint
from peers.java import JavaClient, JavaProxy
from peers.ours import OurClient, OurProxy
from peers.prometheus import Prometheus
from process import Process, check, log_path


class Bench:
    def __init__(self, tools, variant, proxy_under_test):
        self.tools = tools
        self.variant = variant
        self.proxy_under_test = proxy_under_test
        self.folder = tempfile.mkdtemp(prefix="interop-")
        self.logs = os.path.join(self.folder, "logs")
        os.mkdir(self.logs)
        self.processes = []
        self.endpoints = []

    def start(self, name, command):
        """Starts a process, which is ended with the case at the latest."""
        process = Process(name, command, log_path(self.logs, name))
        self.processes.append(process)
        return process

    def proxy(self, flags=()):
        """The proxy under test."""
        return JavaProxy(self) if self.proxy_under_test == "java" else OurProxy(self, flags)

    def java_proxy(self):
        return JavaProxy(self)

    def java_client(self, proxy, app, counter, flags=()):
        """A Java application that has connected."""
        return self.java_clients(proxy, {app: counter}, flags)[0]

    def java_clients(self, proxy, counters, flags=()):
        """Several of them, which start at the same time: a JVM takes its seconds."""
        clients = [JavaClient(self, proxy, app, counter, flags) for app, counter in counters.items()]
        for client in clients:
            client.await_connected()
        return clients

    def our_client(self, proxy, endpoint, flags=()):
        return OurClient(self, proxy, endpoint, flags)

    def endpoint(self, app, count):
        endpoint = Endpoint(app, count)
        self.endpoints.append(endpoint)
        return endpoint

    def prometheus(self, proxy):
        return Prometheus(self, proxy)

    def no_panics(self):
        """A panic of ours fails a case, even one whose expectations were met."""
        for process in self.processes:
            for line in process.lines():
                check("panicked at" not in line, f"{process.name}: {line}")

    def log_tails(self):
        """The end of each peer's log, for the report of a failure."""
        for process in self.processes:
            yield os.path.basename(process.log), process.tail()

    def close(self):
        """Ends all that was started for the case, and removes its files."""
        # Not politely: our client would wait for a proxy that has gone already, to push its last metrics.
        for process in self.processes:
            process.close()
        for endpoint in self.endpoints:
            endpoint.close()
        shutil.rmtree(self.folder, ignore_errors=True)
