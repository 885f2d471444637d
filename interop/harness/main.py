"""Runs the chosen cases one after the other, and says how each went."""

import argparse
import signal
import sys
import time
import traceback

import cases  # noqa: F401  (fills the list)
from bench import Bench
from case import CASES
from process import Failure
from tools import Tools, Unavailable
from variant import TRANSPORTS, Variant

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# What a run without flags covers.
DEFAULT_TRANSPORTS = ["tcp"]


def main():
    arguments = parse_arguments()
    # So that what was started is ended also when this is told to end.
    for number in ENDING[1:]:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    chosen = choose(arguments)
    if arguments.list:
        print("\n".join(title for title, _, _ in chosen))
        return 0
    tools = Tools(all_features=bool(arguments.runtime))
    try:
        tools.prepare({program for _, case, _ in chosen for program in case.programs(arguments.proxy_under_test)})
    except Unavailable as error:
        print(f"cannot run: {error}")
        return 1
    passed = failed = 0
    for title, case, variant in chosen:
        if run(title, case, Bench(tools, variant, arguments.proxy_under_test)):
            passed += 1
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed")
    # A pattern that fits no case must not look like a success.
    return 1 if failed or not passed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(prog="interop/run", description="Runs peers written by others against ours.")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the cases that have this in their name")
    parser.add_argument("--list", action="store_true", help="name the cases, and run none")
    parser.add_argument(
        "--transport", action="append", choices=TRANSPORTS, help="how the sides connect; may be repeated (default: tcp)"
    )
    parser.add_argument(
        "--runtime", action="append", metavar="NAME", help="the --runtime of ours; may be repeated (default: theirs)"
    )
    parser.add_argument(
        "--proxy-under-test", choices=("ours", "java"), default="ours",
        help="java: put the Java proxy in our place, to check the harness itself; only the cases that it passes are run",
    )
    return parser.parse_args()


def choose(arguments):
    """The cases to run, each with the name that is reported and its variant."""
    variants = [
        Variant(TRANSPORTS[transport], runtime)
        for transport in arguments.transport or DEFAULT_TRANSPORTS
        for runtime in arguments.runtime or [None]
    ]
    return [
        (title, case, variant)
        for variant in variants
        for case in CASES
        for title in [f"{variant.label}/{case.name}"]
        if arguments.only in title
        and (case.transports is None or variant.transport.name in case.transports)
        and (case.java_passes or arguments.proxy_under_test != "java")
    ]


def run(title, case, bench):
    """Runs one case, and reports it."""
    started = time.monotonic()
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
