"""The attacks on our proxy, in their full form."""

from case import case
from process import check
from variant import TCP

HOUR = 3600.0


def attacked(bench, command):
    process = bench.start("attacks", [*command, "--runtime", bench.variant.runtime, bench.tools.our_proxy()])
    status = process.wait(HOUR)
    failed = [line for line in process.lines() if line.startswith("FAIL")]
    check(status == 0 and not failed, "; ".join(failed) or f"the attacks ended with status {status}")


@case("attacks/each", ("our_proxy", "attacks"), java_passes=False, transports=TCP, usual=False)
def each(bench):
    """Nobody else suffers from one kind of attack."""
    attacked(bench, [*bench.tools.attacks(), "--full"])


@case("attacks/siege", ("our_proxy", "siege"), java_passes=False, transports=TCP, usual=False)
def siege(bench):
    """Nor from all kinds at once, for ten minutes."""
    attacked(bench, [*bench.tools.siege(), "--minutes", "10"])
