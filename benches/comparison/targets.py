"""A real Prometheus beside a proxy that has many applications: their joined answer, and then each as a target of its own."""

import json
import os
import time
import urllib.parse

from exposition import get
from machine import cpu_seconds
from ports import free_port
from process import Process, check, log_path, until

# What is scraped is read and then dropped, so that the server's storage is no part of the measurement.
CONFIGURATION = """\
global:
  scrape_interval: {interval}s
  scrape_timeout: {interval}s
scrape_configs:
  - job_name: proxy
    honor_labels: true
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: .+
        action: drop
{found}
"""
JOINED = """\
    metrics_path: /metrics/connected
    static_configs:
      - targets: ['127.0.0.1:{port}']
"""
SINGLE = """\
    http_sd_configs:
      - url: http://127.0.0.1:{port}/sd
"""


def measure(context, proxy):
    """The proxy's processor time for one interval, both ways."""
    settings = context.settings
    command = context.load_command(proxy, settings.apps, settings.series, scrapes=0) + ["--hold"]
    load = Process("load", command, log_path(context.folder, "load"))
    try:
        load.find("^holding", 300)
        joined, _ = watched(context, proxy, JOINED, 1)
        single, late = watched(context, proxy, SINGLE, settings.apps)
    finally:
        load.close()
    return {"targets_joined": joined, "targets_cpu": single, "targets": single / joined, "targets_late": late}


def watched(context, proxy, found, count):
    """The proxy's processor time for one interval, and the number of targets that were scraped late or in vain."""
    settings = context.settings
    with_port = found.format(port=proxy.ports["http"])
    server = Server(context, CONFIGURATION.format(interval=settings.interval, found=with_port))
    try:
        # The discovery takes 5 s, and the first scrapes are spread over an interval.
        until(f"{count} targets are up", lambda: server.query("count(up == 1)") == count, 60 + 4 * settings.interval, pause=0.5)
        # So that no scrape of all is under way when the time is taken.
        time.sleep(settings.interval / 3)
        before = cpu_seconds(proxy.pid)
        time.sleep(settings.interval * settings.intervals)
        cpu = (cpu_seconds(proxy.pid) - before) / settings.intervals
        window = f"{settings.interval * settings.intervals + settings.interval // 3}s"
        late = f"count(min_over_time(up[{window}]) < 1 or count_over_time(up[{window}]) < {settings.intervals})"
        return cpu, server.query(late)
    finally:
        server.process.close()


class Server:
    def __init__(self, context, configuration):
        number = len(os.listdir(context.folder))
        path = os.path.join(context.folder, f"prometheus-{number}.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(configuration)
        self.port = free_port()
        self.process = Process(
            "prometheus",
            [
                context.programs.prometheus,
                f"--config.file={path}",
                f"--storage.tsdb.path={os.path.join(context.folder, f'prometheus-{number}')}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            log_path(context.folder, "prometheus"),
        )
        try:
            until("Prometheus is ready", lambda: get(self.port, "/-/ready")[0] == 200, 60)
        except BaseException:
            self.process.close()
            raise

    def query(self, expression):
        """The value of an expression that counts; 0 where there is nothing to count."""
        status, text = get(self.port, "/api/v1/query?query=" + urllib.parse.quote(expression))
        check(status == 200, f"Prometheus answers {status}: {text[:200]}")
        result = json.loads(text)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0
