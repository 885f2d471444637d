"""Parsers that others wrote, as judges of what the proxy serves.

A current Prometheus' own (`textparse`), that of Prometheus 2.42 (`prometheus2`), both with what a scrape loop checks of each sample; that of
promtool and the Pushgateway (`expfmt`), and the two of Prometheus' Python client (`prometheus_client`). They are long-lived programs that are
given many bodies; `../judges` has them.

    with Judges(tools) as judges:
        verdict = judges.judge(TEXT, body)
        verdict["textparse"].accepted, verdict["expfmt"].error, verdict["prometheus_client"].samples
"""

import argparse
import json
import subprocess
import sys
import threading
from dataclasses import dataclass

from process import Failure, Unavailable
from tools import Tools

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
NAMES = ("textparse", "prometheus2", "expfmt", "prometheus_client")


@dataclass(frozen=True)
class Opinion:
    """One parser's: whether it accepts, what it counted (up to its error), and why it does not."""

    accepted: bool
    samples: int
    families: int
    error: str = ""
    repeated: int = 0  # textparse only: samples of a series that was there before
    digest: str = ""  # textparse only: of all samples, with labels, value and time, in whatever order
    quoted: int = 0  # textparse only: samples with a name that Prometheus 2 cannot read


class Judges:
    """All judges, started once. `judge` is for one body, `judge_all` for many: these two may not overlap."""

    def __init__(self, tools):
        self.programs = [Program(command) for command in tools.judges()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def judge(self, content_type, body, among=NAMES):
        """What each judge says of one body, by its name. `expfmt` knows only text."""
        (verdict,) = self.judge_all([(content_type, body)], among)
        return verdict

    def judge_all(self, bodies, among=NAMES):
        """The same for pairs of a content type and a body."""
        bodies = [(kind, body.encode() if isinstance(body, str) else body) for kind, body in bodies]
        answers = [program.judge_all(bodies, among) for program in self.programs]
        return [{name: opinion for verdict in verdicts for name, opinion in verdict.items()} for verdicts in zip(*answers)]

    def close(self):
        for program in self.programs:
            program.close()


class Program:
    """One of the programs, and how it is spoken to."""

    def __init__(self, command):
        self.command = command
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def judge_all(self, bodies, among=NAMES):
        # From a thread of its own: a program that waits to be read would read no further.
        writer = threading.Thread(target=self.write, args=(bodies, among), daemon=True)
        writer.start()
        verdicts = [self.verdict(number) for number in range(len(bodies))]
        writer.join()
        return verdicts

    def write(self, bodies, among):
        try:
            for number, (kind, body) in enumerate(bodies):
                head = {"id": str(number), "content_type": kind, "length": len(body), "among": list(among)}
                self.popen.stdin.write(json.dumps(head).encode() + b"\n" + body)
            self.popen.stdin.flush()
        except BrokenPipeError:
            pass  # Its reader finds that it has ended.

    def verdict(self, number):
        line = self.popen.stdout.readline()
        if not line:
            raise Failure(f"{self.command[-1]} ended with status {self.popen.wait()} at body {number}")
        verdict = json.loads(line)
        if verdict.pop("id") != str(number):
            raise Failure(f"{self.command[-1]} answers out of order at body {number}: {line!r}")
        return {name: Opinion(**opinion) for name, opinion in verdict.items()}

    def close(self):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()


def refusals(verdict, among=NAMES):
    """Who of the judges named refuses a body, and why; empty if all accept it."""
    return [f"{name}: {verdict[name].error}" for name in among if name in verdict and not verdict[name].accepted]


def main():
    parser = argparse.ArgumentParser(prog="interop/judge", description="Says what parsers that others wrote make of expositions.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="an exposition; `-` is standard input")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--content-type", default=None, metavar="TYPE", help="what it is served as; text 0.0.4 unless told otherwise")
    kinds.add_argument("--openmetrics", action="store_const", const=OPENMETRICS, dest="content_type", help="it is served as OpenMetrics 1.0")
    arguments = parser.parse_args()
    kind = arguments.content_type or TEXT
    accepted = True
    try:
        with Judges(Tools()) as judges:
            for path in arguments.files:
                verdict = judges.judge(kind, content(path))
                accepted &= all(opinion.accepted for opinion in verdict.values())
                for name in filter(verdict.get, NAMES):
                    print(f"{path}: {name}: {describe(verdict[name])}")
    except (Unavailable, Failure, OSError) as error:
        sys.exit(f"cannot judge: {error}")
    return 0 if accepted else 1


def content(path):
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as file:
        return file.read()


def describe(opinion):
    said = "accepts" if opinion.accepted else "REFUSES"
    said += f", {opinion.samples} samples, {opinion.families} families"
    if opinion.repeated:
        said += f", {opinion.repeated} repeated"
    if opinion.quoted:
        said += f", {opinion.quoted} with names for Prometheus 3 only"
    return said + (f": {opinion.error}" if opinion.error else "")


if __name__ == "__main__":
    sys.exit(main())
