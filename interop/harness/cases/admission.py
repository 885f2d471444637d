"""Who may connect, and as whom."""

import hashlib
import os
import subprocess

from case import case
from cases.tls import ask_for_certificates
from exposition import ORDERS, get, value
from process import check
from variant import TLS

# Of the password "secret".
BCRYPT = "$2b$04$/uaF/uaF/uaF/uaF/uaF/uyUa5B4sNev9rTvA6TvEBWYO4koffwMy"
TCP = ("tcp",)


def private(bench, name, text):
    """A file that nobody else may read."""
    path = os.path.join(bench.folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def auth_file(bench, proof):
    text = f'[[application]]\nname = "shop"\n{proof}\nlabels = {{ team = "shop" }}\nmay_set = ["instance"]\n'
    return ["--auth-file", private(bench, "auth.toml", text), "--require-identity"]


def speaks_for_its_team(text, app, count):
    found = value(text, ORDERS, app=app, team="shop")
    check(found == count, f"{app} has {found} orders under the labels that its credentials give")


@case("tls/java-client-identity", ("our_proxy", "java_client"), java_passes=False, transports=TLS)
def java_client_identity(bench):
    """A client shows who it is by its certificate. One with a certificate that is as good and not known is not admitted."""
    certificates = bench.certificates
    flags = ask_for_certificates(bench, "required") + auth_file(bench, 'certificate = "CN=client"')
    proxy = bench.proxy(flags)
    bench.java_client(proxy, "known", 5, certificates.client.flags("tls"))
    speaks_for_its_team(proxy.expect("known", 5), "known", 5)
    other = certificates.authority.issue("unknown", "client")
    stranger = bench.start_java_client(proxy, "unknown", 1, other.flags("tls"))
    proxy.await_connection_errors("identity")
    stranger.process.kill()
    proxy.process.find("WARN.*turned away.*identity|WARN.*identity.*turned away", 5)
    speaks_for_its_team(proxy.expect("known", 5), "known", 5)


@case("our-client/our-proxy/token", ("our_proxy", "our_client"), java_passes=False)
def our_client_token(bench):
    """The relay shows a token from a file; with a wrong one it is turned away, and its log says so."""
    token = "relay-token-4711"
    proxy = bench.proxy(auth_file(bench, f'token_sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"'))
    bench.our_client(proxy, bench.endpoint("known", 5), ["--token-file", private(bench, "token", token + "\n")])
    speaks_for_its_team(proxy.expect("known", 5), "known", 5)
    wrong = ["--token-file", private(bench, "wrong", "relay-token-4712")]
    client = bench.our_client(proxy, bench.endpoint("wrong", 1), wrong)
    client.process.find("WARN.*not admitted")
    proxy.await_connection_errors("credentials")
    for process in bench.processes:
        check(not any("relay-token" in line for line in process.lines()), f"{process.name} logs a token")


@case("prometheus/basic-auth", ("our_proxy", "our_client", "prometheus"), java_passes=False, transports=TCP)
def basic_auth(bench):
    """One file is the web configuration of Prometheus, to promtool, and says who may scrape, to the proxy."""
    path = private(bench, "web.yml", f"basic_auth_users:\n  prom: {BCRYPT}\n")
    command = [bench.tools.prometheus("promtool"), "check", "web-config", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    check(done.returncode == 0, f"promtool ends with {done.returncode}: {done.stdout}{done.stderr}")
    proxy = bench.proxy(["--http-auth-file", path])
    bench.our_client(proxy, bench.endpoint("watched", 42))
    prometheus = bench.prometheus(proxy, basic_auth=("prom", "secret"))
    for job in ("applications", "proxy"):
        prometheus.expect(f'up{{job="{job}"}}', 1, 30)
    prometheus.expect(f'{ORDERS}{{app="watched"}}', 42)
    check(get(proxy.http, "/metrics/connected")[0] == 401, "without credentials there are no metrics")
    check(get(proxy.http, "/-/healthy")[0] == 200, "probes need none")
