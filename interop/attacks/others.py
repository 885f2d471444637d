#!/usr/bin/env python3
"""Runs attacks that somebody else wrote: each program `NN_NAME.py BINARY` of a folder, which fails by its exit status."""

import argparse
import glob
import os
import subprocess
import sys

import environment

environment.enter()


def main():
    parser = argparse.ArgumentParser(description="Runs the attacks NN_NAME.py of a folder against a proxy.")
    parser.add_argument("--only", default="", metavar="NAME", help="only those that have this in their name")
    parser.add_argument("folder")
    parser.add_argument("binary", nargs="?", help="of the proxy [default: as interop/run builds it]")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary or environment.built())
    ran, failed = 0, []
    for path in sorted(glob.glob(os.path.join(options.folder, "[0-9][0-9]_*.py"))):
        name = os.path.basename(path).removesuffix(".py")
        if options.only not in name:
            continue
        ran += 1
        print(f"# {name}", flush=True)
        if subprocess.run([sys.executable, "-B", "-u", path, binary], timeout=600, check=False).returncode != 0:
            failed.append(name)
    print(f"{ran - len(failed)} passed, {len(failed)} failed: {', '.join(failed)}" if failed else f"{ran} passed, 0 failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
