"""The checks, each a function of a `World`. It fails by raising Failure."""

import collections

# `alone`: it needs the machine for itself.
Check = collections.namedtuple("Check", "name function alone")

CHECKS = []


def attack(name, *, alone=False):
    """Makes a function a check. Its first line of documentation says what must hold."""

    def add(function):
        CHECKS.append(Check(name, function, alone))
        return function

    return add


from . import connections, deliveries, descriptors, files, logs, memory, names, pauses, pushes, scrapers  # noqa: E402, F401
