"""Figures, by measure and contestant; and the goals that they are held against."""

import statistics
from dataclasses import dataclass, field

from contestants import BACKENDS, JAVA


@dataclass(frozen=True)
class Measure:
    title: str
    unit: str
    # At most this many times what the original takes, by backend.
    ratio: dict = field(default_factory=dict)
    # At most this, by backend.
    value: dict = field(default_factory=dict)
    # Shown in the table; the others are in the JSON only.
    shown: bool = True


def all_of(bound):
    return dict.fromkeys(BACKENDS, bound)


SCRAPE_GOALS = {"openssl": 1 / 5, "rust": 1 / 2.5, "v2": 1 / 12, "plaintext": 1 / 12}
# The titles are filled in with the settings.
MEASURES = {
    "cpu": Measure("CPU of a scrape, {apps:,} × {series:,}", "CPU-s", ratio=SCRAPE_GOALS),
    "latency": Measure("latency of the same", "s", ratio=SCRAPE_GOALS),
    "wire": Measure("bytes of the answer, gzip", "MB", ratio=all_of(1.1)),
    "peak": Measure("peak memory of the proxy", "MB", ratio=all_of(1 / 25), value=all_of(96)),
    "over_floor": Measure("CPU against unwrap, AES, Snappy, check and deflate alone", "×", value={"openssl": 1.3}),
    "storm": Measure("{apps:,} connect at once: until all have a key", "s", ratio=all_of(1 / 100)),
    "storm_cpu": Measure("CPU meanwhile", "CPU-s", shown=False),
    "storm_lost": Measure("connections refused or cut meanwhile", "", value=all_of(0)),
    "many_storm": Measure("{many_apps:,} connect at once: until all have a key", "s", value=all_of(5)),
    "many_lost": Measure("connections refused or cut meanwhile", "", value=all_of(0)),
    "many_latency": Measure("latency of a scrape, {many_apps:,} × {many_series:,}", "s", value={"openssl": 4, "rust": 10, "v2": 4}),
    "many_cpu": Measure("CPU of the same", "CPU-s"),
    "idle": Measure("memory of an idle connection, of {many_apps:,}", "KiB", value=all_of(8)),
    "growth": Measure("CPU of a scrape, {growth} times the applications", "×", value=all_of(4.2)),
    "targets": Measure("CPU of {apps:,} single targets against the joined scrape, by Prometheus", "×", value=all_of(1.5)),
    "targets_late": Measure("targets that were scraped late", "", value=all_of(0)),
    "floor": Measure("CPU of unwrap, AES, Snappy, check and deflate in one loop", "CPU-s", shown=False),
    "grown_cpu": Measure("CPU of a scrape of {growth} times the applications", "CPU-s", shown=False),
    "targets_joined": Measure("CPU of the joined scrape, by Prometheus", "CPU-s", shown=False),
    "targets_cpu": Measure("CPU of the single targets in one interval", "CPU-s", shown=False),
}


class Results:
    def __init__(self, machine, settings, rounds):
        self.machine = machine
        self.settings = settings
        self.rounds = rounds
        self.values = {}
        # What other programs compared.
        self.peers = []
        self.failures = []
        self.seconds = 0.0

    def add(self, measure, name, value):
        self.values.setdefault(measure, {}).setdefault(name, []).append(value)

    def fail(self, what):
        self.failures.append(what)

    def median(self, measure, name):
        values = self.values.get(measure, {}).get(name)
        return statistics.median(values) if values else None

    def ratio(self, measure, name):
        """How many times what the original takes; None where that was not measured."""
        value, java = self.median(measure, name), self.median(measure, JAVA)
        return None if value is None or not java or name == JAVA else value / java

    def title(self, measure):
        return MEASURES[measure].title.format(**vars(self.settings))

    def document(self):
        return {
            "machine": self.machine,
            "settings": vars(self.settings),
            "rounds": self.rounds,
            "seconds": round(self.seconds),
            "measures": [
                {
                    "measure": measure,
                    "title": self.title(measure),
                    "unit": MEASURES[measure].unit,
                    "goal_ratio": MEASURES[measure].ratio,
                    "goal_value": MEASURES[measure].value,
                    "medians": {name: self.median(measure, name) for name in values},
                    "ratios": {name: self.ratio(measure, name) for name in values if name != JAVA},
                    "rounds": values,
                }
                for measure, values in ((measure, self.values[measure]) for measure in MEASURES if measure in self.values)
            ],
            "peers": self.peers,
            "failures": self.failures,
        }
