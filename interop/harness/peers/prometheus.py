"""Prometheus itself, and its promtool."""

import json
import os
import subprocess
import urllib.parse

from exposition import get
from ports import free_port
from process import check, until

GLOBAL = """\
global:
  scrape_interval: {interval}
  scrape_timeout: {interval}
scrape_configs:
"""
STATIC = """
    static_configs:
      - targets: ['127.0.0.1:{port}']
"""
# The jobs that a case may choose from. What is found through /sd has its path and its labels from there.
JOBS = {
    "applications": "  - job_name: applications\n    metrics_path: /metrics/connected\n    honor_labels: true{tls}{params}" + STATIC,
    "proxy": "  - job_name: proxy\n    metrics_path: /metrics/proxy{tls}" + STATIC,
    "found": """\
  - job_name: found
    honor_labels: true{params}
    http_sd_configs:
      - url: http://127.0.0.1:{port}/sd
        refresh_interval: 1s
""",
}
HTTPS = """
    scheme: https
    tls_config:
      ca_file: {ca}"""
BASIC_AUTH = """
    basic_auth:
      username: {}
      password: {}"""
# What tells this server from another one on the same host.
PARAMS = """
    params:
      scraper: [{scraper}]"""


class Prometheus:
    """A server that scrapes a proxy every second, unless told otherwise. `scraper` is its name among several."""

    def __init__(self, bench, proxy, jobs=("applications", "proxy"), interval="1s", scraper=None, basic_auth=None):
        name = f"prometheus-{scraper}" if scraper else "prometheus"
        configuration = os.path.join(bench.folder, f"{name}.yml")
        with open(configuration, "w", encoding="utf-8") as file:
            tls = HTTPS.format(ca=bench.certificates.authority.ca) if proxy.trust else ""
            tls += BASIC_AUTH.format(*basic_auth) if basic_auth else ""
            file.write(GLOBAL.format(interval=interval))
            params = PARAMS.format(scraper=scraper) if scraper else ""
            file.writelines(JOBS[job].format(port=proxy.http, tls=tls, params=params) for job in jobs)
        self.port = free_port()
        self.process = bench.start(
            name,
            [
                bench.tools.prometheus("prometheus"),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={os.path.join(bench.folder, f'{name}-data')}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
        )
        until("Prometheus is ready", lambda: get(self.port, "/-/ready")[0] == 200, 60)

    def api(self, path):
        status, text = get(self.port, f"/api/v1/{path}")
        check(status == 200, f"Prometheus answers {status}: {text[:200]}")
        return json.loads(text)["data"]

    def query(self, expression):
        """The value of an expression that has one series; None while it has none."""
        result = self.api("query?query=" + urllib.parse.quote(expression))["result"]
        check(len(result) < 2, f"{expression} has {len(result)} series")
        return float(result[0]["value"][1]) if result else None

    def expect(self, expression, wanted, seconds=20.0):
        """Waits until an expression has a value."""

        def look():
            found = self.query(expression)
            check(found == wanted, f"it is {found}; {self.last_errors() or 'no scrape has failed'}")
            return True

        until(f"Prometheus has {expression} == {wanted:g}", look, seconds, pause=0.2)

    def last_errors(self):
        """Why the latest scrapes failed, if any did."""
        targets = self.api("targets")["activeTargets"]
        return "; ".join(f"{target['scrapePool']}: {target['lastError']}" for target in targets if target["lastError"])


def promtool_check(bench, text):
    """What promtool has to say about an exposition: its exit status and its complaints."""
    command = [bench.tools.prometheus("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode().strip()
