#!/usr/bin/env python3
"""Thousands of applications that come, push and go for a long time, and the curve of what the proxy holds: `soak.py --help`.

Every few seconds it writes down the proxy's memory, descriptors, threads, log lines and processor time. What must hold: the memory of the last fifth
of the time is that of the second fifth, every scrape is whole, no line of the log is repeated without limit, and once all applications have gone, no
descriptor is left.
"""

import argparse
import collections
import csv
import json
import os
import statistics
import subprocess
import sys
import time

import environment

environment.enter()

import curve  # noqa: E402
from process import Failure, Gone, check, until  # noqa: E402
from variant import RUNTIMES  # noqa: E402
from world import MB, judged, mb, run_on_runtimes  # noqa: E402

COLUMNS = ("seconds", "rss_bytes", "descriptors", "threads", "log_lines", "cpu_seconds", "connected", "connects", "answers")
# Entries of applications that have gone, and what they pushed, are kept this long; warming up takes longer.
KEPT = "30s"
# Of one message and one address, the throttles let ten lines through in ten seconds.
LINES_PER_MINUTE = 90


def main():
    parser = argparse.ArgumentParser(description="Lets applications come and go on loopback, and judges whether the proxy keeps anything of them.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--applications", type=int, default=2000, metavar="COUNT")
    parser.add_argument("--life", type=float, default=45, metavar="SECONDS", help="how long an application stays on average [default: 45]")
    parser.add_argument("--scrape-every", type=float, default=15, metavar="SECONDS")
    parser.add_argument("--sample-every", type=float, default=2, metavar="SECONDS")
    parser.add_argument("--flat", type=float, default=5, metavar="PERCENT", help="by how much memory may have grown [default: 5]")
    parser.add_argument("--runtime", choices=(*RUNTIMES, "both"), default="both", help="both run one after the other")
    parser.add_argument("--output", metavar="FOLDER", help="for soak-RUNTIME.csv, and the curve of all of them as soak.svg")
    parser.add_argument("binary", nargs="?", help="of the proxy [default: as interop/run builds it]")
    options = parser.parse_args()
    return run_on_runtimes(options, "soak", soak)


def soak(world, options):
    beside = {"good": 20, "every": options.scrape_every, "timeout": 10, "limit": 15, "healthy_limit": 5}
    flags = ("--log-format", "json", "--app-grace", KEPT, "--push-ttl", KEPT, "--max-held-pushes", str(options.applications))
    proxy = world.start_proxy(*flags)
    before = descriptors(proxy)
    world.attend(proxy, beside)
    crowd = Crowd(world, options)
    until("the applications are connected", lambda: crowd.counts().get("connected", 0) >= options.applications * 0.9, 120)
    began = time.monotonic()
    rows = sampled(proxy, crowd, options, began)
    end, counts = time.monotonic(), crowd.counts()
    crowd.kill()
    if options.output:
        written(rows, options, world.runtime)
    verdicts = (
        lambda: f"{rows[-1]['connects']} connections",
        lambda: f"{world.judge('scrape', began, end)} scrapes whole",
        lambda: f"{world.judge('healthy', began, end)} probes answered",
        lambda: flat(rows, options.flat),
        lambda: unlost(counts),
        lambda: few_lines(proxy, options.minutes),
        lambda: none_left(world, before),
        lambda: f"{share_of_a_processor(rows):.0%} of a processor",
    )
    proxy.alive()
    return judged(verdicts)


def share_of_a_processor(rows):
    first, last = rows[0], rows[-1]
    return (last["cpu_seconds"] - first["cpu_seconds"]) / max(1, last["seconds"] - first["seconds"])


class Crowd:
    """The process of `churn.py`."""

    def __init__(self, world, options):
        self.output = os.path.join(world.folder, "churn.jsonl")
        command = [sys.executable, "-B", f"{environment.HERE}/churn.py", str(world.proxy.tcp), str(options.applications), str(options.life)]
        with open(self.output, "wb") as file:
            self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT)
        world.closing.callback(self.kill)

    def counts(self):
        """What it said last."""
        if self.popen.poll() is not None:
            raise Gone(f"churn.py has ended with status {self.popen.returncode}")
        with open(self.output, "rb") as file:
            file.seek(max(0, os.path.getsize(self.output) - 4096))
            lines = file.read().decode(errors="replace").split("\n")[:-1]
        try:
            return json.loads(lines[-1]) if lines else {}
        except ValueError:
            raise Failure(f"churn.py says {lines[-1]!r}") from None

    def kill(self):
        self.popen.kill()
        self.popen.wait()


def descriptors(proxy):
    return len(os.listdir(f"/proc/{proxy.popen.pid}/fd"))


def sampled(proxy, crowd, options, began):
    """Looks at the proxy as long as it lasts."""
    rows, lines, read = [], 0, 0
    while not rows or rows[-1]["seconds"] < options.minutes * 60:
        proxy.alive()
        # Only what is new is counted: a log of 30 minutes is not read again and again.
        size = proxy.log_size()
        lines, read = lines + proxy.log_lines(read), size
        counts = crowd.counts()
        rows.append({
            "seconds": round(time.monotonic() - began, 1),
            "rss_bytes": proxy.memory(),
            "descriptors": descriptors(proxy),
            "threads": len(os.listdir(f"/proc/{proxy.popen.pid}/task")),
            "log_lines": lines,
            "cpu_seconds": round(proxy.processor_time(), 2),
            **{name: counts.get(name, 0) for name in ("connected", "connects", "answers")},
        })  # fmt: skip
        time.sleep(options.sample_every)
    return rows


def written(rows, options, runtime):
    os.makedirs(options.output, exist_ok=True)
    with open(os.path.join(options.output, f"soak-{runtime}.csv"), "w", encoding="ascii", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    curve.draw(options.output)


def flat(rows, percent):
    """Memory does not grow once it is warm."""
    fifth = max(1, len(rows) // 5)
    warm, last = (statistics.median(row["rss_bytes"] for row in part) for part in (rows[fifth : 2 * fifth], rows[-fifth:]))
    grown = last / warm - 1
    check(grown <= percent / 100, f"memory grew by {grown:.1%}, from {mb(warm)} in the second fifth to {mb(last)} in the last; {percent:g} % are allowed")
    return f"memory {mb(warm)} in the second fifth and {mb(last)} in the last ({grown:+.1%})"


def unlost(counts):
    """The proxy refused nobody, and let nobody go."""
    check(not counts.get("lost"), f"applications lost {counts.get('lost')} connections: {counts}")
    return f"{counts.get('pushed', 0) + counts.get('acknowledged', 0)} pushes"


def few_lines(proxy, minutes):
    """No message is repeated without limit."""
    messages = collections.Counter()
    with open(proxy.log, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                raise Failure(f"a line of the log is no JSON: {line[:200]!r}") from None
            messages[entry["level"], entry.get("message") or entry.get("fields", {}).get("message")] += 1
    bound = LINES_PER_MINUTE * (minutes + 1)
    many = {message: count for message, count in messages.items() if count > bound}
    check(not many, f"more than {LINES_PER_MINUTE} lines a minute: {many}")
    most = ", ".join(f"{count} x {message}" for (_, message), count in messages.most_common(3))
    return f"{messages.total()} lines of log, most of them {most}"


def none_left(world, before):
    """All that applications and scrapers had is given back."""
    world.beside.kill()
    until(f"only the first {before} descriptors are left", lambda: descriptors(world.proxy) <= before, 60)
    return f"{before} descriptors before and after, {mb(world.proxy.memory() // MB * MB)} held in the end"


if __name__ == "__main__":
    sys.exit(main())
