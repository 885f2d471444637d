"""Programs of others with a /metrics endpoint, relayed whole: what our relay fetches, either proxy serves."""

import re
from types import SimpleNamespace

from cases.our_client import both
from exposition import accepts_connections, get
from ports import free_port
from process import check, until

# What a program says of the scrape itself, or of its own process, changes from one to the next, but is there in each.
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[^"]|"(?:[^"\\]|\\.)*")*?\})? ', re.MULTILINE)
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


def series(text):
    """The series of a text: their names, with their labels in the order of their names."""
    return {(name, frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))) for name, labels in SAMPLE.findall(text)}


def look(bench, proxy, port, is_known):
    """Relays what listens there, and compares what a proxy serves with what is there."""
    label = ("instance", "relayed-program")
    endpoint = SimpleNamespace(url=f"http://127.0.0.1:{port}/metrics", app="program")
    client = bench.our_client(proxy, endpoint, ["--label", "=".join(label)])

    def whole():
        served = proxy.scrape()
        check(is_known(served), "it is not served yet")
        # Its first scrapes can have fewer series than those that follow.
        direct = get(port, "/metrics", {"Accept": "text/plain; version=0.0.4"})[1]
        found = {(name, labels - {label}) for name, labels in series(served)}
        missing = series(direct) - found
        check(not missing, f"{len(missing)} series are missing: {sorted(map(str, missing))[:3]}")
        types = dict(TYPE.findall(served))
        wrong = {name: types.get(name) for name, kind in TYPE.findall(direct) if types.get(name) != kind}
        check(not wrong, f"types are not what they were: {wrong}")
        return served

    served = until("all that the program has is served", whole, 30)
    check(client.process.terminate() == 0, "the relay ends in order")
    return served


@both("node-exporter", group="relay", needs=("node_exporter",))
def node_exporter(bench, proxy, _):
    """All of node_exporter's series, with their types."""
    port = free_port()
    bench.start("node-exporter", [bench.tools.node_exporter(), f"--web.listen-address=127.0.0.1:{port}"])
    until("node_exporter listens", lambda: accepts_connections(port))
    served = look(bench, proxy, port, lambda text: "node_exporter_build_info" in text)
    check(len(series(served)) > 200, "it has some hundred series")


@both("python-client", group="relay", needs=("python_program",))
def python_client(bench, proxy, _):
    """Each kind of metric of Prometheus' Python client, which answers in OpenMetrics where it may."""
    port = free_port()
    program = bench.start("python-program", [*bench.tools.python_program(), str(port)])
    program.find("serving")
    served = look(bench, proxy, port, lambda text: "jobs_total" in text)
    for line in (r'^jobs_total\{.*kind="7\\" single".*\} 3', r'^job_seconds_bucket\{.*le="1.0".*\} 1', r"^queue_length(\{.*\})? \+Inf"):
        check(re.search(line, served, re.MULTILINE), f"{line} is not served")
