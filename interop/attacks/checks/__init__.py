"""The checks, each a function of a `World`. It fails by raising Failure."""

CHECKS = []


def attack(name):
    """Makes a function a check. Its first line of documentation says what must hold."""

    def add(function):
        CHECKS.append((name, function))
        return function

    return add


from . import connections, deliveries, descriptors, files, logs, memory, names, pauses, pushes, scrapers  # noqa: E402, F401
