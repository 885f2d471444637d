"""rsocket-js as a general peer. What it cannot do is left out by name; the README has the reasons."""

from case import case
from peers.general_checks import OUR_LEASE, RESUME, general, passes, was_told
from peers.general_js import js_client, js_server
from peers.general_ours import example_server, our_client, our_server
from variant import PLAIN, TCP

# At the smallest, 64, each megabyte takes both versions a second and more to put together: they copy it with every fragment.
MTU = 500
# Its decoders take empty metadata for none.
EMPTY_METADATA = ("response/data-4-metadata-0", "response/data-0-metadata-0", "stream/metadata-empty")
# Its client has no such method, and its server ends the connection.
V1_CANNOT = (*EMPTY_METADATA, "metadata-push")
# Its server does not look at the flag C of REQUEST_CHANNEL.
V0_SERVER_CANNOT = ("channel/one-payload-and-complete",)


def without(names, *mtus):
    """The flags that leave checks out, and the names of those that remain."""
    skipped = [name for mtu in mtus for name in (names if mtu == 0 else [f"mtu-{mtu}/{name}" for name in names])]
    flags = [flag for name in skipped for flag in ("--skip", name)] + [flag for mtu in mtus for flag in ("--mtu", str(mtu))]
    return flags, [name for name in general(*mtus) if name not in skipped]


@case("general/js-v1-server", ("our_peer", "js_peers"), java_passes=False, transports=PLAIN)
def v1_server(bench):
    server = js_server(bench, "v1", "--resume")
    flags, expected = without(V1_CANNOT, 0, MTU)
    passes(our_client(bench, server, "--resume", *flags), expected + RESUME)


@case("general/js-v1-client", ("our_peer", "js_peers"), java_passes=False, transports=PLAIN)
def v1_client(bench):
    ours = our_server(bench, "--mtu", str(MTU))
    flags, expected = without(V1_CANNOT, 0, MTU)
    passes(js_client(bench, "v1", ours, "--lease", "--resume", *flags), expected + ["lease/used-up-and-renewed"] + RESUME)
    ours.process.find("^told told$", 5)


@case("general/js-v0-server", ("our_peer", "js_peers"), java_passes=False, transports=PLAIN)
def v0_server(bench):
    # Without leases of its own it refuses those who want some; with them it serves those as well who do not.
    server = js_server(bench, "v0")
    flags, expected = without(V0_SERVER_CANNOT, 0, MTU)
    passes(our_client(bench, server, "--loses-metadata", *flags), expected)
    was_told(server.process)
    passes(our_client(bench, js_server(bench, "v0", "--lease"), "--lease", "--only", "lease/"), OUR_LEASE)


@case("general/js-v0-client", ("our_peer", "js_peers"), java_passes=False, transports=PLAIN)
def v0_client(bench):
    ours = our_server(bench, "--mtu", str(MTU))
    flags, expected = without(EMPTY_METADATA, 0)
    passes(js_client(bench, "v0", ours, "--lease", "--resume", *flags), expected + ["lease/used-up-and-renewed"] + RESUME)
    was_told(ours.process)


@case("examples/echo-std/js-client", ("echo_std", "js_peers"), java_passes=False, transports=TCP)
def echo_std(bench):
    flags, expected = without(V1_CANNOT, 64)
    passes(js_client(bench, "v1", example_server(bench, "echo_std"), "--resume", *flags), expected + RESUME)


@case("examples/echo-mio/js-client", ("echo_mio", "js_peers"), java_passes=False, transports=TCP)
def echo_mio(bench):
    flags, expected = without(EMPTY_METADATA, 0)
    passes(js_client(bench, "v0", example_server(bench, "echo_mio"), *flags), expected)
