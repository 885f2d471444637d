"""The checks that every client goes through against an echo server, by name, and how a client's report is read."""

from process import check

_GENERAL = """
response/data-0 response/data-1 response/data-10000 response/data-1000000
response/data-4-metadata-0 response/data-0-metadata-0 response/data-0-metadata-5 response/data-10-metadata-10
response/data-5-metadata-100000 response/data-100000-metadata-70
response/many-at-once response/reject response/cancel
fire-and-forget/data fire-and-forget/data-100000-metadata-0 metadata-push
stream/one-at-a-time stream/all-at-once stream/metadata-empty stream/data-10000-metadata-300 stream/data-1000000
stream/cancel stream/cancel-without-credit stream/reject
channel/one-at-a-time channel/all-at-once channel/long-payloads channel/data-1000000 channel/one-payload-and-complete
channel/complete-afterwards channel/cancel channel/error channel/reject-first channel/reject-third
"""
_RESUME = """
resume/idle resume/in-a-stream-that-waits-for-credit resume/in-a-stream-under-way resume/with-requests-made-meanwhile
"""


def general(*mtus):
    """Those of a connection without leases or resumption, once for each MTU; 0 is none."""
    return [("" if mtu == 0 else f"mtu-{mtu}/") + name for mtu in mtus for name in _GENERAL.split()]


RESUME = _RESUME.split()
# Of our client, and of the Java one.
OUR_LEASE = ["lease/none-before-the-first", "lease/used-up-and-renewed"]
LEASE = ["lease/used-up-and-renewed", "lease/no-more-than-allowed"]


def passes(client, expected, seconds=60.0):
    """Waits for the end of a client: each check that is expected, and no other, was reported once, and went well."""
    status = client.wait(seconds)
    lines = client.lines()
    failed = [line for line in lines if line.startswith("FAILED")]
    check(not failed, f"{client.name}: {len(failed)} checks failed, the first: {failed[:1]}")
    passed = sorted(line.removeprefix("ok ") for line in lines if line.startswith("ok "))
    missing = sorted(set(expected) - set(passed))
    check(not missing, f"{client.name}: not reported: {missing}")
    check(passed == sorted(expected), f"{client.name}: more was reported than is expected: {set(passed) - set(expected)}")
    check(status == 0, f"{client.name} ended with status {status}")


def was_told(server):
    """A server has got what no answer tells of."""
    for line in ("told told", "pushed pushed"):
        server.find(f"^{line}$", 5)
