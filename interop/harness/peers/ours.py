"""Our proxy and our client."""

import re

from exposition import value
from peers.proxy import Proxy
from ports import free_port
from process import check, until
from variant import LISTENERS


class OurProxy(Proxy):
    knows_labels = True

    def __init__(self, bench, flags=(), server=None, https=None, comes_back=False, wrapper=(), program=None):
        """`server` is the certificate of the listener that the variant names, `https` that of HTTP; None: without TLS. `comes_back`: its
        ports are none that a connection may have taken before it is started again. `wrapper` is a command that runs it, `program` another one than ours of today."""
        self.bench = bench
        self.flags = list(flags)
        if server:
            self.flags += server.flags(f"{bench.transport.listener}-tls")
        if https:
            self.flags += https.flags("http-tls")
            self.trust = bench.certificates.authority.trust()
        if comes_back:
            setattr(self, bench.transport.listener, free_port())
            self.http = free_port()
        self.wrapper, self.program = list(wrapper), program or bench.tools.our_proxy()
        self.process = None
        self.start()

    def start(self):
        self.launch()
        for listener in (self.bench.transport.listener, "http"):
            setattr(self, listener, self.logged_port(listener))

    def launch(self):
        """Starts it, and does not wait until it listens."""
        served = self.bench.transport.listener
        command = [*self.wrapper, self.program, *self.bench.variant.runtime_flags]
        for listener in (*LISTENERS, "http"):
            if listener in (served, "http"):
                # Any port at first, the same one after a restart.
                address = f"127.0.0.1:{getattr(self, listener) or 0}"
            else:
                address = "off"
            command += [f"--listen-{listener}", address]
        self.process = self.bench.start("our-proxy", command + self.flags)

    def logged_port(self, listener):
        """The port that it names in its log, whose fields come in no fixed order, and may be quoted or JSON."""
        named = rf'listener"?[=:]"?{listener}\b'
        address = r'address"?[=:]"?[^ ,"]*'
        line = self.process.find(f"{named}.*{address}|{address}.*{named}").string
        return int(re.search(r'address"?[=:]"?[^ ,"]*:(\d+)', line)[1])

    def connections(self):
        return value(self.own_metrics(), "prometheus_proxy_scrape_active_connections")

    def connection_errors(self, cause):
        """How many connections were not accepted, or did not last, for that reason."""
        errors = value(self.own_metrics(), "prometheus_proxy_connection_error_total", cause=cause)
        check(errors is not None, f"connections that end by {cause} are counted")
        return errors

    def await_connection_errors(self, cause, more_than=0):
        until(f"the proxy counts more than {more_than:g} {cause}", lambda: self.connection_errors(cause) > more_than)

    def await_http_tls_errors(self, more_than=0):
        """The same for HTTP connections on which TLS did not come about."""
        errors = lambda: value(self.own_metrics(), "prometheus_proxy_http_tls_failed_total")
        until(f"the proxy counts more than {more_than:g} HTTP connections without TLS", lambda: errors() > more_than)

    def await_connections(self, count):
        until(f"the proxy knows of {count} connections", lambda: self.connections() == count)

    def stop(self):
        status = self.process.terminate()
        check(status == 0, f"our proxy ended with status {status} on SIGTERM")


class OurClient:
    """Our relay beside a program with a /metrics endpoint."""

    def __init__(self, bench, proxy, endpoint, flags=(), ca=None, program=None):
        command = [program or bench.tools.our_client(), *client_flags(bench, proxy, ca), "--scrape", endpoint.url]
        self.process = bench.start(f"our-client-{endpoint.app}", command + list(flags))

    def terminate(self):
        """Ends it as an orchestrator would; it pushes the last metrics, and is done with status 0."""
        status = self.process.terminate()
        check(status == 0, f"our client ended with status {status} on SIGTERM")


def push_once(bench, proxy, text, flags=()):
    """The process of a client that pushes what it has on standard input."""
    command = [bench.tools.our_client(), *client_flags(bench, proxy), "--once", "--stdin", *flags]
    process = bench.start("our-client-once", command)
    process.popen.stdin.write(text.encode())
    process.popen.stdin.close()
    return process


def client_flags(bench, proxy, ca=None):
    """What connects a client of ours to a proxy."""
    transport = bench.transport
    flags = [*bench.variant.runtime_flags, "--proxy", transport.url(proxy.port(transport))]
    if transport.tls:
        flags += ["--tls-ca", ca or bench.certificates.authority.ca]
    return flags
