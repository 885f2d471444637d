"""What is measured, under which load, and what it must reach."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

import targets
from contestants import JAVA, Started
from process import Failure

NAMES = ["scrape", "floor", "many", "growth", "targets"]


@dataclass(frozen=True)
class Settings:
    """The load. Times are in seconds."""

    rounds: int
    # The scrape, and the storm before it.
    apps: int
    series: int
    scrapes: int
    warm_up: int
    java_warm_up: int
    # Many small applications.
    many_apps: int
    many_series: int
    # Time for the allocator to give back what connecting took.
    settle: int
    # As the scrape, with this many times the applications.
    growth: int
    # Of Prometheus, and for how many of them it is watched.
    interval: int
    intervals: int


FULL = Settings(3, 1000, 1000, 5, 2, 12, 10_000, 100, 12, 4, 15, 4)
QUICK = Settings(1, 50, 100, 3, 1, 2, 500, 10, 0, 4, 2, 3)

# The scraper's time limit. The slowest scrape that is expected takes 20 s.
TIMEOUT = 60


class Context:
    """What every measure works with."""

    def __init__(self, results, programs, folder, say):
        self.results = results
        self.settings = results.settings
        self.programs = programs
        self.folder = folder
        self.say = say

    def load_command(self, proxy, apps, series, **flags):
        command = [self.programs.load, "--rsocket", f"127.0.0.1:{proxy.ports['tcp']}", "--http", f"127.0.0.1:{proxy.ports['http']}"]
        command += ["--pid", str(proxy.pid), "--apps", str(apps), "--series", str(series), "--timeout", str(TIMEOUT)]
        for name, value in flags.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        return command

    def load(self, proxy, apps, series, **flags):
        """Runs the load generator to its end, and gives its report."""
        path = os.path.join(self.folder, "load.json")
        command = self.load_command(proxy, apps, series, json=path, **flags)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200, check=False)
        if done.returncode != 0:
            raise Failure(done.stdout.strip()[-500:])
        with open(path, encoding="utf-8") as file:
            return json.load(file)


def run(results, programs, contestants, only, say):
    folder = tempfile.mkdtemp(prefix="compare-")
    try:
        context = Context(results, programs, folder, say)
        ours = [contestant for contestant in contestants if contestant.name != JAVA]
        for number in range(1, results.rounds + 1):
            if "scrape" in only:
                each(context, f"round {number}", scrape, contestants)
            if "floor" in only:
                for backend in dict.fromkeys(contestant.backend for contestant in ours):
                    attempt(context, f"round {number}, floor of {backend}", lambda backend=backend: floor(context, backend))
        # These take longer, vary less, and have no counterpart.
        sealed = [contestant for contestant in ours if contestant.backend != "plaintext"] or ours
        if "many" in only:
            each(context, "many", many, sealed)
        if "growth" in only:
            each(context, "growth", growth, sealed)
        if "targets" in only:
            # The kind of key makes no difference to this, so one is enough for each runtime.
            first = {contestant.runtime: contestant for contestant in reversed(ours)}
            each(context, "targets", single_targets, list(first.values())[::-1])
        derive(results, ours)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def each(context, title, measure, contestants):
    """Measures contestants one after the other, each freshly started."""
    for contestant in contestants:

        def one(contestant=contestant):
            with Started(contestant, context.programs, context.folder) as proxy:
                return measure(context, contestant, proxy)

        attempt(context, f"{title}, {contestant.name}", one)


def attempt(context, title, measure):
    """One that fails is reported in the end, and keeps no other from being measured."""
    try:
        context.say(f"{title}: {measure()}")
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        context.say(f"{title}: FAILED: {error}")
        context.results.fail(f"{title}: {error}")


def scrape(context, contestant, proxy):
    settings = context.settings
    is_java = contestant.name == JAVA
    warm_up = settings.java_warm_up if is_java else settings.warm_up
    report = context.load(proxy, settings.apps, settings.series, warm_up=warm_up, scrapes=settings.scrapes, **contestant.load)
    connected, scrapes = report["connected"], whole(report["scrapes"], is_java)
    add = lambda measure, value: context.results.add(measure, contestant.name, value)
    add("storm", connected["seconds"])
    add("storm_cpu", connected["cpu_seconds"])
    add("storm_lost", lost(connected))
    add("cpu", scrapes["cpu_seconds"])
    add("latency", scrapes["latency"]["p50"])
    add("wire", scrapes["wire_bytes"] / 1e6)
    add("peak", report["memory"]["peak_bytes"] / 1e6)
    return (
        f"keys after {connected['seconds']:.2f} s, {lost(connected)} lost; scrape {scrapes['latency']['p50']:.2f} s, "
        f"{scrapes['cpu_seconds']:.2f} CPU-s, {scrapes['wire_bytes'] / 1e6:.1f} MB, peak {report['memory']['peak_bytes'] / 1e6:.0f} MB"
    )


def whole(scrapes, is_java=False):
    """Scrapes whose figures count: those of ours must have all applications in them."""
    if scrapes["missing"] and not is_java:
        raise Failure(f"{scrapes['missing']} applications were missing")
    return scrapes


def lost(connected):
    counts = connected["counts"]
    return counts["refused"] + counts["ended"] + counts["not_connected"]


def many(context, contestant, proxy):
    settings = context.settings
    report = context.load(proxy, settings.many_apps, settings.many_series, settle=settings.settle, warm_up=1, scrapes=2, **contestant.load)
    connected, scrapes = report["connected"], whole(report["scrapes"])
    add = lambda measure, value: context.results.add(measure, contestant.name, value)
    add("many_storm", connected["seconds"])
    add("many_lost", lost(connected))
    add("idle", report["memory"]["bytes_per_connection"] / 1024)
    add("many_latency", scrapes["latency"]["p50"])
    add("many_cpu", scrapes["cpu_seconds"])
    return (
        f"keys after {connected['seconds']:.2f} s, {lost(connected)} lost; {report['memory']['bytes_per_connection'] / 1024:.1f} KiB each; "
        f"scrape {scrapes['latency']['p50']:.2f} s, {scrapes['cpu_seconds']:.2f} CPU-s"
    )


def growth(context, contestant, proxy):
    settings = context.settings
    report = context.load(proxy, settings.apps * settings.growth, settings.series, warm_up=1, scrapes=2, **contestant.load)
    cpu = whole(report["scrapes"])["cpu_seconds"]
    context.results.add("grown_cpu", contestant.name, cpu)
    return f"scrape of {settings.apps * settings.growth}: {cpu:.2f} CPU-s"


def floor(context, backend):
    settings = context.settings
    command = [context.programs.floor, "--json", "--envelope", backend, "--apps", str(settings.apps), "--series", str(settings.series)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise Failure(done.stdout.strip()[-500:])
    report = json.loads(done.stdout)
    context.results.add("floor", backend, report["cpu_seconds"])
    parts = ", ".join(f"{name} {seconds:.3f}" for name, seconds in report["parts"].items() if seconds)
    return f"{report['cpu_seconds']:.2f} CPU-s; {parts}"


def single_targets(context, contestant, proxy):
    """Prometheus scrapes all applications at once, and then each by itself."""
    found = targets.measure(context, proxy)
    for measure, value in found.items():
        context.results.add(measure, contestant.name, value)
    return ", ".join(f"{measure} {value:.2f}" for measure, value in found.items())


def derive(results, ours):
    """Ratios of medians."""
    for contestant in ours:
        cpu = results.median("cpu", contestant.name)
        floor_cpu = results.median("floor", contestant.backend)
        grown_cpu = results.median("grown_cpu", contestant.name)
        if cpu and floor_cpu:
            results.add("over_floor", contestant.name, cpu / floor_cpu)
        if cpu and grown_cpu:
            results.add("growth", contestant.name, grown_cpu / cpu)
