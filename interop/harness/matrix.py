"""Which cases a run has: its passes over transports and runtimes, and what each pass covers."""

from case import CASES
from variant import RUNTIMES, TRANSPORTS, Variant

EVERYTHING = ("",)
# What must hold everywhere: a scrape, a long answer, a last push, a sudden end, and whatever our two programs do together.
BASICS = ("java-client/scrape", "java-client/many-series", "java-client/push", "java-client/killed", "our-client/our-proxy/")
BAD_INPUT = ("bad-input/",)
CERTIFICATES = ("tls/",)
# Good and bad applications beside each other.
CROWDS = ("crowd/",)
# What concerns pushes, and proxies that come and go, without a JVM.
PUSHES = ("pushes/room", "disk/")
# What our relay does beside relaying one endpoint.
MODES = ("relay/our-proxy/",)
# RSocket peers of every kind, in either role.
GENERAL = ("general/",)

# A run without flags. Each pair of a transport and a runtime has the basics; what takes time is not repeated where neither the
# transport nor the runtime can change it. A case is meant by the beginning of its name.
DEFAULT = (
    ("tcp", "tokio", EVERYTHING),
    ("tcp", "smol", BASICS + CROWDS + GENERAL + PUSHES + MODES),
    ("websocket", "tokio", BASICS + GENERAL),
    ("websocket", "smol", ("java-client/", "our-client/", *BAD_INPUT, *GENERAL)),
    ("tls", "tokio", BASICS + BAD_INPUT + CERTIFICATES),
    ("tls", "smol", BASICS),
    ("wss", "tokio", BASICS),
    ("wss", "smol", BASICS + BAD_INPUT + CERTIFICATES),
)


def choose(transports, runtimes, everything, java):
    """The cases to run, each with its variant and the name that is reported.

    Transports and runtimes that were asked for (None: neither was) have each case that makes sense over them. `java` puts
    the Java proxy in our place, which has no TLS, and no runtime of ours.
    """
    for transport, runtime, beginnings in passes(transports, runtimes, everything, java):
        variant = Variant(TRANSPORTS[transport], runtime)
        for case in CASES:
            if (case.usual or everything) and case.name.startswith(beginnings) and case.fits(variant.transport) and (case.java_passes or not java):
                yield f"{variant.label}/{case.name}", case, variant


def passes(transports, runtimes, everything, java):
    if java:
        plain = [name for name, transport in TRANSPORTS.items() if not transport.tls]
        return [(transport, None, EVERYTHING) for transport in transports or plain]
    if not (transports or runtimes or everything):
        return DEFAULT
    default_transports, default_runtimes = (TRANSPORTS, RUNTIMES) if everything else (("tcp",), ("tokio",))
    return [
        (transport, runtime, EVERYTHING)
        for transport in transports or default_transports
        for runtime in runtimes or default_runtimes
    ]


def check_default():
    """A beginning that fits no case, once a case has another name, would make the default run smaller unnoticed."""
    for _, _, beginnings in DEFAULT:
        for beginning in beginnings:
            if not any(case.name.startswith(beginning) for case in CASES):
                raise ValueError(f"no case begins with {beginning!r}")
