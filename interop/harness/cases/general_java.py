"""rsocket-java as a general peer: every interaction, fragments, leases and resumption, in both roles. And the examples with Java."""

from case import case
from exposition import orders
from peers.general_checks import LEASE, OUR_LEASE, RESUME, general, passes, was_told
from peers.general_java import java_client, java_server
from peers.general_ours import example_server, our_client, our_server
from process import check
from variant import PLAIN, TCP

ALL = ("--lease", "true", "--resume", "true")


@case("general/java-server", ("our_peer", "java_general"), java_passes=False, transports=PLAIN)
def server(bench):
    whole = java_server(bench, "--lease", "5", "--resume", "true")
    passes(our_client(bench, whole, "--mtu", "0", "--mtu", "64", "--lease", "--resume"), general(0, 64) + OUR_LEASE + RESUME)
    was_told(whole.process)
    # Its answers come in fragments as well.
    fragments = java_server(bench, "--mtu", "64", "--lease", "5", "--resume", "true")
    passes(our_client(bench, fragments, "--mtu", "1000", "--resume"), general(1000) + RESUME)


@case("general/java-client", ("our_peer", "java_general"), java_passes=False, transports=PLAIN)
def client(bench):
    ours = our_server(bench, "--mtu", "64")
    passes(java_client(bench, ours, "--mtu", "0", "--mtu", "64", *ALL), general(0, 64) + LEASE + RESUME)
    was_told(ours.process)


@case("examples/echo-std/java-client", ("echo_std", "java_general"), java_passes=False, transports=TCP)
def echo_std(bench):
    example = example_server(bench, "echo_std")
    # Its leases are never used up, so that none is waited for.
    passes(java_client(bench, example, "--mtu", "64", "--resume", "true"), general(64) + RESUME)


@case("examples/echo-mio/java-client", ("echo_mio", "java_general"), java_passes=False, transports=TCP)
def echo_mio(bench):
    passes(java_client(bench, example_server(bench, "echo_mio"), "--mtu", "64"), general(64))


@case("examples/scrape-std/java-client", ("scrape_std", "java_client"), java_passes=False, transports=TCP)
def scrape_std(bench):
    """It asks the first application that connects, prints what that says, and ends."""
    example = example_server(bench, "scrape_std")
    bench.start_java_client(example, "embedded", 42)
    check(example.process.wait(60) == 0, "its exit status is 0")
    check(orders("\n".join(example.process.lines()), "embedded") == 42, "the counter has its value")
