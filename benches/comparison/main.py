"""Measures the chosen proxies one after the other, and writes what it found as JSON, as a table and as a picture."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

# The interop harness knows how to build the original proxy, and how to start and end processes.
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(1, os.path.join(REPOSITORY, "interop", "harness"))

import machine  # noqa: E402
import measures  # noqa: E402
import picture  # noqa: E402
import table  # noqa: E402
from build import Programs  # noqa: E402
from contestants import BACKENDS, RUNTIMES, choose  # noqa: E402
from process import Unavailable  # noqa: E402
from results import Results  # noqa: E402


def main():
    arguments = parse_arguments()
    # So that what was started is ended also when this is told to end.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    # The description of the JSON is for readers, too: progress goes to standard error if that goes to standard output.
    say = lambda text: print(text, file=sys.stderr if arguments.json else sys.stdout)
    try:
        programs = Programs(arguments.backends, not arguments.no_java, arguments.only)
    except Unavailable as error:
        say(f"cannot compare: {error}")
        return 1
    settings = measures.QUICK if arguments.quick else measures.FULL
    contestants = choose(arguments.runtimes, arguments.backends, not arguments.no_java)
    results = Results(machine.facts(programs, arguments.backends), settings, arguments.rounds or settings.rounds)
    started = time.monotonic()
    measures.run(results, programs, contestants, arguments.only, say)
    for command in arguments.also:
        also(results, command, say)
    results.seconds = time.monotonic() - started
    return report(results, arguments, say)


def report(results, arguments, say):
    text = table.markdown(results)
    say("\n" + text)
    for line in table.missed(results):
        say(f"short of its goal: {line}")
    for failure in results.failures:
        say(f"failed: {failure}")
    say(f"# {results.seconds:.0f} s")
    document = json.dumps(results.document(), indent=2)
    if arguments.json:
        print(document)
    if arguments.out:
        os.makedirs(arguments.out, exist_ok=True)
        for name, content in (("compare.json", document), ("compare.md", text), ("compare.svg", picture.svg(results))):
            with open(os.path.join(arguments.out, name), "w", encoding="utf-8") as file:
                file.write(content + "\n")
    return 1 if results.failures else 0


def also(results, command, say):
    """Runs a command that compares something by itself, and takes over each line that is JSON with `measure`, `ours`, `theirs` and `ratio`."""
    say(f"{command}")
    done = subprocess.run(command, shell=True, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, timeout=1800, check=False)
    found = []
    for line in done.stdout.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and {"measure", "ours", "theirs", "ratio"} <= entry.keys():
            found.append(entry)
    if done.returncode != 0 or not found:
        results.fail(f"{command}: status {done.returncode}, {len(found)} measures")
    results.peers += found


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="benches/compare", description="Measures this proxy beside the original, one after the other under one load."
    )
    parser.add_argument("--rounds", type=int, metavar="COUNT", help="how often each scrape is measured, in turn; medians are reported (3)")
    parser.add_argument("--only", type=names(measures.NAMES), default=measures.NAMES, metavar="NAMES", help=f"some of {', '.join(measures.NAMES)}")
    parser.add_argument("--runtimes", type=names(RUNTIMES), default=RUNTIMES, metavar="NAMES", help=f"some of {', '.join(RUNTIMES)}")
    parser.add_argument("--backends", type=names(BACKENDS), default=BACKENDS, metavar="NAMES", help=f"some of {', '.join(BACKENDS)}")
    parser.add_argument("--no-java", action="store_true", help="leave the original out")
    parser.add_argument("--quick", action="store_true", help="small numbers and one round, to see that it works; the figures say little")
    parser.add_argument("--also", action="append", default=[], metavar="COMMAND", help="a command that prints measures of its own, one JSON object a line")
    parser.add_argument("--out", metavar="DIR", help="write compare.json, compare.md and compare.svg there")
    parser.add_argument("--json", action="store_true", help="print the JSON to standard output, and all else to standard error")
    arguments = parser.parse_args()
    if arguments.rounds is not None and not 1 <= arguments.rounds <= 100:
        parser.error("--rounds: it must be from 1 to 100")
    return arguments


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return [name for name in known if name in chosen]

    return parse


if __name__ == "__main__":
    sys.exit(main())
