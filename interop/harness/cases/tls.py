"""TLS: who lets whom in, and certificates that are replaced."""

import ssl
from pathlib import Path

from case import case
from cases.beside import undisturbed
from exposition import get, orders
from process import Failure, check, until
from variant import TLS
from wire import Wire

OURS = ("our_proxy", "our_client")
JAVA = ("our_proxy", "java_client")


def ask_for_certificates(bench, auth, listener=None):
    """The flags by which a listener of our proxy asks for certificates of the test authority."""
    prefix = f"--{listener or bench.transport.listener}-tls-client"
    return [f"{prefix}-ca", bench.certificates.authority.ca, f"{prefix}-auth", auth]


@case("tls/java-client-certificate", JAVA, java_passes=False, transports=TLS)
def java_client_certificate(bench):
    """Only the one with a good certificate is let in. The others are counted, and the log says why."""
    certificates = bench.certificates
    proxy = bench.proxy(ask_for_certificates(bench, "required"))
    with undisturbed(bench, proxy, certificates.client.flags("tls")):
        # Lines of one kind are held back for a while: the first is the one to look for.
        refused(bench, proxy, "unknown", certificates.client_of_stranger.flags("tls"))
        proxy.process.find("WARN.*TLS.*certificate is refused", 5)
        refused(bench, proxy, "expired", certificates.client_expired.flags("tls"))
        refused(bench, proxy, "without", [])
        # A client that is refused comes again at once, and again; the log is not for counting that.
        lines = [line for line in proxy.process.lines() if "WARN" in line or "ERROR" in line]
        check(len(lines) <= 10, f"three clients that are refused need no more than 10 lines: {lines}")


def refused(bench, proxy, app, flags):
    before = proxy.connection_errors("tls")
    client = bench.start_java_client(proxy, app, 1, flags)
    client.await_no_entry()
    client.process.kill()
    proxy.await_connection_errors("tls", more_than=before)
    check(orders(proxy.scrape(), app) is None, f"{app} is not served")


@case("tls/java-client-optional-certificate", JAVA, java_passes=False, transports=TLS)
def java_client_optional_certificate(bench):
    """Where a certificate is optional, none will do, but a bad one will not."""
    certificates = bench.certificates
    proxy = bench.proxy(ask_for_certificates(bench, "optional"))
    with undisturbed(bench, proxy):
        bench.java_client(proxy, "known", 5, certificates.client.flags("tls"))
        proxy.expect("known", 5)
        refused(bench, proxy, "expired", certificates.client_expired.flags("tls"))
        proxy.process.find("WARN.*TLS.*certificate.*expired", 5)


@case("tls/java-client-1.2", JAVA, java_passes=False, transports=TLS)
def java_client_1_2(bench):
    """The version that Java 8 uses, with and without a certificate; a client without learns of its refusal in the handshake."""
    certificates = bench.certificates
    old = ["--tls-version", "TLSv1.2"]
    proxy = bench.proxy(ask_for_certificates(bench, "required"))
    with undisturbed(bench, proxy, certificates.client.flags("tls") + old):
        refused(bench, proxy, "without", old)


@case("tls/our-client-certificate", OURS, java_passes=False, transports=TLS)
def our_client_certificate(bench):
    certificates = bench.certificates
    proxy = bench.proxy(ask_for_certificates(bench, "required"))
    bench.our_client(proxy, bench.endpoint("known", 5), certificates.client.flags("tls"))
    proxy.expect("known", 5)
    client = bench.our_client(proxy, bench.endpoint("without", 5))
    client.process.find(r"(WARN|ERROR).*(?i:tls|certificate)")
    proxy.await_connection_errors("tls")
    text = proxy.scrape()
    check(orders(text, "without") is None and orders(text, "known") == 5, "only the one with a certificate is served")


@case("tls/our-client-distrusts", OURS, java_passes=False, transports=TLS)
def our_client_distrusts(bench):
    """It sends nothing to a proxy of an unknown authority, or of another name, unless told that name."""
    certificates = bench.certificates
    proxy = bench.proxy()
    client = bench.our_client(proxy, bench.endpoint("distrustful", 5), ca=certificates.stranger.ca)
    client.process.find(r"(WARN|ERROR).*(?i:certificate|issuer)")
    proxy.await_connection_errors("tls")
    elsewhere = bench.proxy(server=certificates.server_elsewhere)
    client = bench.our_client(elsewhere, bench.endpoint("misled", 5))
    client.process.find(r"(WARN|ERROR).*(?i:certificate|name)")
    elsewhere.await_connection_errors("tls")
    bench.our_client(elsewhere, bench.endpoint("told", 6), ["--tls-server-name", "elsewhere.example"])
    text = elsewhere.expect("told", 6)
    check(orders(text, "misled") is None, "the one that was not told the name is not served")
    check(orders(proxy.scrape(), "distrustful") is None, "the one that trusts another authority is not served")


@case("tls/reload", JAVA, java_passes=False, transports=TLS)
def reload(bench):
    """New files are used for new connections, and no connection is lost."""
    certificates = bench.certificates
    old, new = certificates.server.der(), certificates.server_of_stranger.der()
    served = certificates.server.copy(bench.folder)
    proxy = bench.proxy(["--tls-reload-interval", "500ms"], server=served)
    with undisturbed(bench, proxy):
        Path(served.cert).write_text("half a certificate", encoding="ascii")
        proxy.process.find("(WARN|ERROR).*TLS")
        check(shown(bench, proxy) == old, "the old one is shown while the new one cannot be used")
        served.replace(certificates.server_of_stranger)
        until("the new certificate is shown", lambda: shown(bench, proxy) == new)
        bench.java_client(proxy, "new", 7, ["--tls-ca", certificates.stranger.ca])
        text = proxy.expect("new", 7)
        check(orders(text, "steady") == 4, "the one that was there before is served in the same scrape")
        late = bench.start_java_client(proxy, "late", 8)
        late.await_refused()


def shown(bench, proxy):
    """The certificate that the proxy shows to a new connection, whoever has issued it."""
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    with Wire(proxy.port(bench.transport), anyone) as wire:
        return wire.socket.getpeercert(binary_form=True)


@case("tls/prometheus-https", (*JAVA, "prometheus"), java_passes=False, transports=("tls",))
def prometheus_https(bench):
    """Prometheus scrapes both endpoints over HTTPS, and trusts the test authority only."""
    proxy = bench.proxy(https=bench.certificates.server)
    app = bench.java_client(proxy, "watched", 42)
    prometheus = bench.prometheus(proxy)
    for job in ("applications", "proxy"):
        prometheus.expect(f'up{{job="{job}"}}', 1, 30)
    app.tell("inc 1")
    prometheus.expect('interop_orders_total{app="watched"}', 43)
    check(not prometheus.last_errors(), f"no scrape fails: {prometheus.last_errors()}")


@case("tls/https-client-certificate", ("our_proxy",), java_passes=False, transports=TLS)
def https_client_certificate(bench):
    """Metrics are served only to who shows a good certificate."""
    certificates = bench.certificates
    proxy = bench.proxy(ask_for_certificates(bench, "required", "http"), https=certificates.server)
    proxy.trust = certificates.authority.trust(certificates.client)
    proxy.scrape()
    for certificate in (certificates.client_expired, certificates.client_of_stranger, None):
        try:
            trust = certificates.authority.trust(certificate)
            status, _ = get(proxy.http, "/metrics/connected", trust=trust)
        except TimeoutError as error:
            raise Failure("a scraper that is not let in is told so") from error
        except OSError:
            continue
        raise Failure(f"a scrape with {certificate} is answered {status}")
    proxy.await_http_tls_errors(more_than=2)
    proxy.scrape()
