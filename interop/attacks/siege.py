#!/usr/bin/env python3
"""Twenty attackers at once, each another kind, beside five good applications and their scraper: `siege.py --help`."""

import argparse
import subprocess
import sys
import time

import environment

environment.enter()

from attackers import NAMES  # noqa: E402
from process import check  # noqa: E402
from variant import RUNTIMES  # noqa: E402
from world import PROGRAM, judged, mb, run_on_runtimes  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="Besieges a proxy on loopback with every attack at once.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--runtime", choices=(*RUNTIMES, "both"), default="tokio")
    parser.add_argument("--only", action="append", choices=NAMES, help="only these attackers; may be repeated")
    parser.add_argument("--healthy-within", type=float, default=1, metavar="SECONDS", help="of /-/healthy [default: 1]")
    parser.add_argument("binary", nargs="?", help="of the proxy [default: as interop/run builds it]")
    options = parser.parse_args()
    return run_on_runtimes(options, "siege", besiege)


def besiege(world, options):
    beside = {"every": 1, "timeout": 5, "limit": 7, "healthy_limit": options.healthy_within}
    proxy = world.start(beside=beside)
    # What it holds once it has served some scrapes is where it has to come back to.
    time.sleep(3)
    start, began = proxy.memory(), time.monotonic()
    proxy.forget_peak()
    attackers = [attacker(world, name, number) for number, name in enumerate(options.only or NAMES)]
    end = began + options.minutes * 60
    while (left := end - time.monotonic()) > 0:
        proxy.alive()
        time.sleep(min(left, 1.0))
    peak = proxy.memory("VmHWM")
    for process in attackers:
        process.kill()
        process.wait()
    verdicts = (
        lambda: f"{world.judge('scrape', began, end)} scrapes whole",
        lambda: f"{world.judge('healthy', began, end)} probes answered",
        lambda: bounded(world, start, peak),
        lambda: world.shrinks(start),
        lambda: f"{proxy.log_lines()} lines of log",
    )
    proxy.alive()
    return judged(verdicts)


def bounded(world, start, peak):
    bound = world.max_memory + PROGRAM
    check(peak <= bound, f"{mb(peak)} at most, from {mb(start)}; the limit is {mb(bound)}")
    return f"from {mb(start)} to {mb(peak)}"


def attacker(world, name, number):
    command = [sys.executable, "-B", f"{environment.HERE}/attackers.py", name, str(world.proxy.tcp), str(world.proxy.http), str(number)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    world.closing.callback(process.kill)
    return process


if __name__ == "__main__":
    sys.exit(main())
