"""The figures as a picture: for each measure, a bar for the original and one for each backend, as a part of the original's."""

from xml.sax.saxutils import escape

from contestants import BACKENDS, JAVA
from results import MEASURES
from table import HEADERS, amount, fraction

SHOWN = ["cpu", "latency", "wire", "peak", "storm"]
WIDTH, LEFT, RIGHT, BAR, GAP, GROUP_GAP, TOP = 880, 330, 170, 15, 3, 16, 78
STYLE = """\
    text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 13px; fill: #1f2328 }
    .title { font-size: 16px; font-weight: 600 }
    .quiet { fill: #59636e; font-size: 12px }
    .java { fill: #b6bec7 } .openssl { fill: #0b6bcb } .rust { fill: #b7410e } .v2 { fill: #8250df } .plaintext { fill: #2e8540 }
    .axis { stroke: #d1d9e0 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .quiet { fill: #9198a1 }
      .java { fill: #656c76 } .openssl { fill: #4493f8 } .rust { fill: #f0883e } .v2 { fill: #a371f7 } .plaintext { fill: #3fb950 }
      .axis { stroke: #3d444d }
    }"""


def svg(results, runtime="tokio"):
    backends = [name for name in BACKENDS if any(f"{runtime}-{name}" in results.values.get(measure, {}) for measure in SHOWN)]
    measures = [measure for measure in SHOWN if results.median(measure, JAVA)]
    body, y = [], TOP
    for measure in measures:
        bars = [JAVA, *(name for name in backends if results.ratio(measure, f"{runtime}-{name}") is not None)]
        middle = y + (len(bars) * (BAR + GAP) - GAP) / 2
        body.append(f'<text x="{LEFT - 12}" y="{middle + 4:.1f}" text-anchor="end">{escape(results.title(measure))}</text>')
        for name in bars:
            body.append(bar(results, measure, name, runtime, y))
            y += BAR + GAP
        y += GROUP_GAP
    height = y + 12
    title = f"Against the original on one machine, {results.machine['cores']} cores, {runtime}"
    note = "length: part of what the original (Java, warm) takes; shorter is better"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
            f"  <title>{escape(title)}</title>",
            f"  <style>\n{STYLE}\n  </style>",
            f'  <text class="title" x="16" y="26">{escape(title)}</text>',
            f'  <text class="quiet" x="16" y="45">{escape(note)}</text>',
            *(f"  {line}" for line in legend(backends)),
            f'  <line class="axis" x1="{LEFT}" y1="{TOP - 6}" x2="{LEFT}" y2="{height - 16}"/>',
            *(f"  {line}" for line in body),
            "</svg>",
        ]
    )


def bar(results, measure, name, runtime, y):
    """One bar, with its amount and its part behind it."""
    contestant = JAVA if name == JAVA else f"{runtime}-{name}"
    ratio = 1.0 if name == JAVA else results.ratio(measure, contestant)
    # One that is longer than the original's runs to the edge; its text says by how much.
    room = WIDTH - LEFT - RIGHT
    length = max(2.0, min(ratio, 1.15) * room)
    text = amount(results.median(measure, contestant), MEASURES[measure].unit)
    if name != JAVA:
        text += f" = {fraction(ratio)}"
    return (
        f'<rect class="{name}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        f'<text class="quiet" x="{LEFT + length + 6:.1f}" y="{y + BAR - 3}">{escape(text)}</text>'
    )


def legend(backends):
    x = 16
    for name in (JAVA, *backends):
        header = HEADERS.get(name, "original (Java)")
        yield f'<rect class="{name}" x="{x}" y="56" width="11" height="11" rx="2"/><text class="quiet" x="{x + 16}" y="66">{escape(header)}</text>'
        x += 36 + 7 * len(header)
