"""Where the modules of the other folders are, and an interpreter that has the packages of `../crowd/requirements.txt`."""

import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
INTEROP = os.path.dirname(HERE)
sys.path[1:1] = [os.path.join(INTEROP, folder) for folder in ("crowd", "harness")]


def built():
    """The proxy that `interop/run` runs: the one that PROXY_BIN names, else the one that cargo builds."""
    from tools import Tools

    return Tools().our_proxy()


def enter():
    """Runs this program again in the environment of the crowd, unless this interpreter has the packages."""
    if all(importlib.util.find_spec(name) for name in ("cramjam", "cryptography")):
        return
    from tools import python_environment

    interpreter = python_environment("crowd")
    os.execv(interpreter, [interpreter, "-B", "-u", *sys.argv])
