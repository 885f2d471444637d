#!/usr/bin/env python3
"""Runs the attacks against a proxy: `run.py --help`."""

import argparse
import signal
import sys
import time
import traceback

import environment

environment.enter()

from checks import CHECKS  # noqa: E402
from process import Failure  # noqa: E402
from side_by_side import side_by_side  # noqa: E402
from variant import RUNTIMES  # noqa: E402
from world import World  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="Attacks a proxy on loopback, and judges whether anybody else suffers.")
    parser.add_argument("--full", action="store_true", help="longer and from more sides")
    parser.add_argument("--runtime", choices=(*RUNTIMES, "both"), default="both")
    parser.add_argument("--only", default="", metavar="NAME", help="only the attacks that have this in their name")
    parser.add_argument("--list", action="store_true", help="name the attacks, and run none")
    parser.add_argument(
        "--jobs", type=int, choices=range(1, 17), default=1, metavar="N",
        help="how many run at the same time, but for those that need the machine for themselves [default: 1]",
    )
    parser.add_argument("binary", nargs="?", help="of the proxy, with the runtimes that are asked for [default: as interop/run builds it]")
    options = parser.parse_args()
    chosen = [check for check in CHECKS if options.only in check.name]
    if options.list:
        for check in chosen:
            print(f"{check.name:32}{check.function.__doc__.splitlines()[0]}")
        return 0
    if not chosen:
        parser.error("no attack has that in its name")
    options.binary = options.binary or environment.built()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    runtimes = RUNTIMES if options.runtime == "both" else (options.runtime,)
    runs = [(check, options, runtime) for runtime in runtimes for check in chosen]
    results = side_by_side(run, [entry for entry in runs if not entry[0].alone], options.jobs)
    results += side_by_side(run, [entry for entry in runs if entry[0].alone], 1)
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


def run(check, options, runtime):
    """Runs one, and reports it."""
    began = time.monotonic()
    why = None
    with World(options.binary, runtime, options.full) as world:
        try:
            check.function(world)
        except (Failure, OSError, EOFError) as error:
            why = error if isinstance(error, Failure) else repr(error)
        except Exception as error:
            why = repr(error)
            traceback.print_exc()
    title = f"{runtime}/{check.name}"
    print(f"{'FAIL' if why else 'ok'} {title} ({time.monotonic() - began:.1f} s)" + (f": {why}" if why else ""), flush=True)
    return not why


if __name__ == "__main__":
    sys.exit(main())
