"""The judges: that they tell good from bad, and what they say of generated applications and of the answers made of them."""

from itertools import groupby

from case import case
from judges import NAMES, OPENMETRICS, TEXT, Judges
from process import check
from sets import Sets
from variant import TCP

GOOD = '# HELP a_total Some.\n# TYPE a_total counter\na_total{x="1"} 1\na_total{x="2"} 2\n'
EVERYONE = frozenset(NAMES)
OF_OPENMETRICS = EVERYONE - {"expfmt"}
PROMETHEUS = frozenset(("textparse", "prometheus2"))

# What a body is served as, the body, and who accepts it.
KNOWN = (
    (TEXT, GOOD, EVERYONE),
    (TEXT, "", EVERYONE),
    (TEXT, "a 1", PROMETHEUS | {"prometheus_client"}),  # no last line break
    (TEXT, "a\n", frozenset()),
    (TEXT, 'a{x="1" y="2"} 1\n', PROMETHEUS),
    (TEXT, 'a{x="\\d"} 1\n', EVERYONE - {"expfmt"}),
    (TEXT, 'a{x="1",x="1"} 1\n', frozenset()),
    (TEXT, '{"a.b"} 1\n', EVERYONE - {"prometheus2"}),
    (TEXT, "# TYPE a gauge\na 1\n# TYPE a gauge\na 1\n", EVERYONE - {"expfmt"}),
    (OPENMETRICS, "# TYPE a counter\na_total 1\n# EOF\n", OF_OPENMETRICS),
    (OPENMETRICS, "# TYPE a counter\na_total 1\n", frozenset()),
    (OPENMETRICS, "# TYPE a counter\na_total 1\n\n# EOF\n", frozenset()),
    (OPENMETRICS, "# TYPE a counter\na 1\n# EOF\n", PROMETHEUS),
)


@case("judges/known", ("judges",), java_passes=False, transports=TCP)
def known(bench):
    with Judges(bench.tools) as judges:
        verdicts = judges.judge_all([(kind, body) for kind, body, _ in KNOWN])
        for (kind, body, expected), verdict in zip(KNOWN, verdicts):
            accepting = {name for name, opinion in verdict.items() if opinion.accepted}
            check(accepting == expected, f"{body!r} is accepted by {sorted(accepting)}, and not by {sorted(expected)}: {verdict}")
        check(verdicts[0]["textparse"].samples == 2, "samples are counted")
        # Prometheus takes the first of two samples of a series, and says so.
        twice = judges.judge(TEXT, "a 1\na 2\n")
        check(twice["textparse"].repeated == 1, "repeated series are counted")


@case("judges/sets", ("judges", "sets"), java_passes=False, transports=TCP)
def sets(bench):
    """What Prometheus reads is served, and every answer is accepted."""
    judged = Sets(bench.tools, 0, bench.tools.set_count).run()
    check(judged.counts["joined"] == bench.tools.set_count, f"all sets are judged: {judged.counts}")
    found = [(kind, list(faults)) for kind, faults in groupby(sorted(judged.faults, key=lambda fault: fault.kind), lambda fault: fault.kind)]
    found.sort(key=lambda kind: -len(kind[1]))
    lines = []
    for kind, faults in found[:20]:
        least = min(faults, key=lambda fault: len(fault.body))
        lines.append(f"{len(faults)} times {kind}, such as set {least.set}: {least.why}: {least.body[:500]!r}")
    check(not lines, "\n  ".join(["disagreements", *lines]))
