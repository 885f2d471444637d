"""What a case is, and the list of all of them."""

from dataclasses import dataclass
from typing import Callable

CASES = []
ANY = None


@dataclass(frozen=True)
class Case:
    name: str
    run: Callable
    needs: frozenset  # names of methods of Tools; "proxy" is the proxy under test
    java_passes: bool  # whether the Java proxy, put in our place, is expected to pass
    transports: tuple | None  # those it makes sense over; None: each
    usual: bool  # whether a run without --all has it

    def fits(self, transport):
        return self.transports is None or transport.name in self.transports

    def programs(self, transport, proxy_under_test):
        proxy = "java_proxy" if proxy_under_test == "java" else "our_proxy"
        programs = {proxy if need == "proxy" else need for need in self.needs}
        return programs | ({"certificates"} if transport.tls else set())


def case(name, needs, java_passes=True, transports=ANY, usual=True):
    """Makes a function of a bench a case. It fails by raising Failure."""

    def add(function):
        CASES.append(Case(name, function, frozenset(needs), java_passes, transports, usual))
        return function

    return add
