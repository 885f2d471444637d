"""Runs the chosen cases, some at a time, and says how each went."""

import argparse
import signal
import sys
import time
import traceback

import cases  # noqa: F401  (fills the list)
from bench import Bench
from matrix import check_default, choose
from process import Failure, Unavailable
from side_by_side import side_by_side
from tools import Tools
from variant import RUNTIMES, TRANSPORTS

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main():
    arguments = parse_arguments()
    # So that what was started is ended also when this is told to end.
    for number in ENDING[1:]:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    check_default()
    java = arguments.proxy_under_test == "java"
    chosen = choose(arguments.transport, arguments.runtime, arguments.all, java)
    chosen = [entry for entry in chosen if arguments.only in entry[0]]
    if arguments.list:
        print("\n".join(title for title, _, _ in chosen))
        return 0
    tools = Tools(arguments.sets, arguments.kills)
    try:
        return run_all(chosen, tools, arguments)
    except Unavailable as error:
        print(f"cannot run: {error}")
        return 1
    finally:
        tools.close()


def run_all(chosen, tools, arguments):
    started = time.monotonic()
    under_test = arguments.proxy_under_test
    programs = (case.programs(variant.transport, under_test) for _, case, variant in chosen)
    tools.prepare(set().union(*programs), arguments.jobs)
    cases = [(title, case, tools, variant, under_test) for title, case, variant in chosen]
    results = side_by_side(run, cases, arguments.jobs, tools.part)
    print(f"# {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    # A pattern that fits no case must not look like a success.
    return 0 if results and all(results) else 1


def parse_arguments():
    parser = argparse.ArgumentParser(prog="interop/run", description="Runs peers written by others against ours.")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the cases that have this in their name")
    parser.add_argument("--list", action="store_true", help="name the cases, and run none")
    parser.add_argument(
        "--transport", action="append", choices=TRANSPORTS,
        help="every case over this one, instead of the usual choice; may be repeated (with --runtime only: tcp)",
    )
    parser.add_argument(
        "--runtime", action="append", choices=RUNTIMES,
        help="every case with this --runtime of ours, likewise (with --transport only: tokio)",
    )
    parser.add_argument("--all", action="store_true", help="every case over every transport and on every runtime, or those named")
    parser.add_argument("--sets", type=int, default=3_000, metavar="N", help="how many generated sets `judges/sets` has judged [default: 3000]")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="how often `disk/killed` kills the proxy [default: 20]")
    parser.add_argument("--jobs", type=int, choices=range(1, 17), default=1, metavar="N", help="how many cases run at the same time [default: 1]")
    parser.add_argument(
        "--proxy-under-test", choices=("ours", "java"), default="ours",
        help="java: put the Java proxy in our place, to check the harness itself; only the cases that it passes are run",
    )
    return parser.parse_args()


def run(title, case, tools, variant, under_test):
    """Runs one case, and reports it."""
    started = time.monotonic()
    bench = Bench(tools, variant, under_test)
    try:
        case.run(bench)
        bench.no_panics()
    except Exception as error:  # One that is none of Failure is a fault here; the other cases are run all the same.
        print(f"FAIL {title}: {error if isinstance(error, Failure) else repr(error)}")
        if not isinstance(error, (Failure, OSError)):
            traceback.print_exc()
        for name, lines in bench.log_tails():
            print(f"  -- {name}")
            for line in lines:
                print(f"  {line[:300]}")
        return False
    finally:
        # Not to be interrupted a second time: a process would be left behind.
        before = [signal.signal(number, signal.SIG_IGN) for number in ENDING]
        bench.close()
        for number, handler in zip(ENDING, before):
            signal.signal(number, handler)
    print(f"ok {title} ({time.monotonic() - started:.1f} s)")
    return True


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
