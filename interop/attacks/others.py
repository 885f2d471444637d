#!/usr/bin/env python3
"""Runs attacks that somebody else wrote: each program `NN_NAME.py BINARY` of a folder, which fails by its exit status."""

import argparse
import glob
import os
import subprocess
import sys

import environment

environment.enter()

from side_by_side import side_by_side  # noqa: E402

# Seconds that an attack has.
LIMIT = 600


def main():
    parser = argparse.ArgumentParser(description="Runs the attacks NN_NAME.py of a folder against a proxy.")
    parser.add_argument("--only", default="", metavar="NAME", help="only those that have this in their name")
    parser.add_argument("--beside", default=[], action="append", metavar="NAME",
                        help="run those that have this in their name beside each other, before all others; may be repeated")
    parser.add_argument("folder")
    parser.add_argument("binary", nargs="?", help="of the proxy [default: as interop/run builds it]")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary or environment.built())
    paths = sorted(glob.glob(os.path.join(options.folder, "[0-9][0-9]_*.py")))
    paths = [path for path in paths if options.only in name_of(path)]
    beside = [path for path in paths if any(name in name_of(path) for name in options.beside)]
    failed = side_by_side(failure, [(path, binary) for path in beside], max(len(beside), 1))
    failed += side_by_side(failure, [(path, binary) for path in paths if path not in beside], 1)
    failed = sorted(filter(None, failed))
    print(f"{len(paths) - len(failed)} passed, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return 1 if failed or not paths else 0


def name_of(path):
    return os.path.basename(path).removesuffix(".py")


def failure(path, binary):
    """Runs an attack, prints what it says, and gives its name if it fails."""
    print(f"# {name_of(path)}", flush=True)
    program = [sys.executable, "-B", "-u", path, binary]
    try:
        ended = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
        said, has_failed = ended.stdout, ended.returncode != 0
    except subprocess.TimeoutExpired as expired:
        said, has_failed = (expired.stdout or b"") + f"not over after {LIMIT} s\n".encode(), True
    print(said.decode(errors="replace"), end="", flush=True)
    return name_of(path) if has_failed else None


if __name__ == "__main__":
    sys.exit(main())
