"""What one case works with: peers that are started for it, and ended with it."""

import os
import shutil
import tempfile

from peers.endpoint import Endpoint
from peers.java import JavaClient, JavaProxy
from peers.ours import OurClient, OurProxy, push_once
from peers.prometheus import Prometheus
from peers.raw import RawEndpoint
from process import Process, check, log_path
from wire import Wire


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

    @property
    def transport(self):
        return self.variant.transport

    @property
    def certificates(self):
        return self.tools.certificates()

    @property
    def trust(self):
        """What a Python client needs to be let in by the proxy's listener: None where there is no TLS."""
        return self.certificates.authority.trust() if self.transport.tls else None

    def wire(self, proxy):
        """A connection to the proxy's listener, with nothing but TLS done where there is TLS."""
        return Wire(proxy.port(self.transport), self.trust)

    def proxy(self, flags=(), server=None, https=None, **how):
        """The proxy under test. The certificate of its listener, and that of HTTP if that shall have TLS, can be named. `how`: see `OurProxy`."""
        if self.proxy_under_test == "java":
            return JavaProxy(self)
        if self.transport.tls and server is None:
            server = self.certificates.server
        return OurProxy(self, flags, server, https, **how)

    def java_proxy(self):
        return JavaProxy(self)

    def java_client(self, proxy, app, counter, flags=()):
        """A Java application that has connected."""
        return self.java_clients(proxy, {app: counter}, flags)[0]

    def java_clients(self, proxy, counters, flags=()):
        """Several of them, which start at the same time: a JVM takes its seconds."""
        clients = [self.start_java_client(proxy, app, counter, flags) for app, counter in counters.items()]
        for client in clients:
            client.await_connected()
        return clients

    def start_java_client(self, proxy, app, counter, flags=()):
        """A Java application, of which the case itself finds out whether it connects."""
        return JavaClient(self, proxy, app, counter, flags)

    def java_generic_client(self, proxy, app, counter, flags=()):
        """One with Micrometer's newer registry."""
        client = JavaClient(self, proxy, app, counter, flags, generic=True)
        client.await_connected()
        return client

    def our_client(self, proxy, endpoint, flags=(), ca=None):
        return OurClient(self, proxy, endpoint, flags, ca)

    def push_once(self, proxy, text, flags=()):
        """A client of ours that pushes a text and ends: its process."""
        return push_once(self, proxy, text, flags)

    def endpoint(self, app, count):
        endpoint = Endpoint(app, count)
        self.endpoints.append(endpoint)
        return endpoint

    def raw_endpoint(self, name):
        """An endpoint that answers with a file of `inputs`."""
        endpoint = RawEndpoint(name)
        self.endpoints.append(endpoint)
        return endpoint

    def prometheus(self, proxy, *jobs, **how):
        return Prometheus(self, proxy, *jobs, **how)

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
