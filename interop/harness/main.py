"""Runs the cases one after the other, and says how each went."""

import argparse
import signal
import sys
import time

from cases import CASES
from process import Failure, forget_logs, stop_all, tails


def main():
    parser = argparse.ArgumentParser(description="Real peers against ours.")
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--list", action="store_true", help="name the cases")
    arguments = parser.parse_args()
    # So that the processes are ended also when this one is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = [case for case in CASES if arguments.only in case.__name__]
    if arguments.list:
        print("\n".join(case.__name__ for case in chosen))
        return 0
    failed = sum(not run(case) for case in chosen)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


def run(case):
    forget_logs()
    started = time.monotonic()
    try:
        case()
    except (Failure, OSError) as error:
        print(f"FAIL {case.__name__}: {error}")
        for name, lines in tails():
            print(f"  -- {name}")
            for line in lines:
                print(f"  {line[:300]}")
        return False
    finally:
        stop_all()
    print(f"ok {case.__name__} ({time.monotonic() - started:.1f} s)")
    return True


if __name__ == "__main__":
    sys.exit(main())
