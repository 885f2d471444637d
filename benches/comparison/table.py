"""The figures as Markdown."""

from contestants import BACKENDS, JAVA, RUNTIMES
from results import MEASURES

HEADERS = {"openssl": "OpenSSL", "rust": "pure Rust", "v2": "version 2", "plaintext": "plaintext"}
# How far the two runtimes may be apart, and below which amounts the difference is none: the kernel counts processor time in hundredths.
APART = 1.25
NEGLIGIBLE = {"s": 0.1, "CPU-s": 0.05, "MB": 1, "KiB": 0.5, "×": 0.1, "": 0}


def markdown(results):
    return "\n\n".join(part for part in (facts(results), *runtimes(results), apart(results), peers(results)) if part)


def facts(results):
    machine = results.machine
    versions = ", ".join(f"{machine[name]}" for name in ("rustc", "java", "prometheus") if machine.get(name))
    openssl = f", OpenSSL {machine['openssl']}" if machine.get("openssl") else ""
    changed = ", changed" if machine["changed"] else ""
    return (
        f"{machine['date']}, commit {machine['commit']}{changed}. {machine['cpu']}, {machine['cores']} cores, which the load generator shares; "
        f"Linux {machine['kernel']}, {versions}{openssl}. Medians of {results.rounds} {'rounds' if results.rounds > 1 else 'round'}; in parentheses, how many times the original's."
    )


def runtimes(results):
    """A table for each runtime."""
    for runtime in RUNTIMES:
        backends = [name for name in BACKENDS if any(f"{runtime}-{name}" in values for values in results.values.values())]
        if backends:
            yield table(results, runtime, backends)


def table(results, runtime, backends):
    has_java = any(JAVA in values for values in results.values.values())
    columns = [HEADERS[name] for name in backends] + (["Java"] if has_java else []) + ["goal"]
    lines = [row(f"on {runtime}", *columns), row(*["---"] * (len(columns) + 1))]
    for measure, about in MEASURES.items():
        names = [f"{runtime}-{name}" for name in backends]
        if not about.shown or not any(name in results.values.get(measure, {}) for name in names):
            continue
        cells = [cell(results, measure, name) for name in names]
        if has_java:
            cells.append(amount(results.median(measure, JAVA), about.unit))
        lines.append(row(results.title(measure), *cells, goal(about, backends)))
    return "\n".join(lines)


def row(*cells):
    return f"| {' | '.join(cells)} |"


def cell(results, measure, name):
    text = amount(results.median(measure, name), MEASURES[measure].unit)
    ratio = results.ratio(measure, name)
    # Java's lost connections are no amount to measure ours by.
    return text if ratio is None or not MEASURES[measure].unit else f"{text} ({fraction(ratio)})"


def amount(value, unit):
    if value is None:
        return "-"
    digits = 0 if not unit or value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def fraction(ratio):
    """A ratio below 1 as people say it: 0.2 is 1/5."""
    if ratio == 0:
        return "0"
    if ratio >= 0.8:
        return f"{ratio:.2f}"
    inverse = 1 / ratio
    return f"1/{inverse:.1f}" if inverse < 10 else f"1/{inverse:,.0f}"


def goal(about, backends):
    """The bounds: one for all backends, or one for each."""
    bounds = []
    in_short = lambda ratio: f"1/{1 / ratio:g}" if ratio < 1 else f"{ratio:g}"
    for limits, text in ((about.ratio, in_short), (about.value, lambda value: f"{value:g} {about.unit}".strip())):
        texts = [text(limits[name]) if name in limits else "-" for name in backends]
        if any(name in limits for name in backends):
            bounds.append(texts[0] if len(set(texts)) == 1 else ", ".join(texts))
    return "≤ " + " and ≤ ".join(bounds) if bounds else ""


def missed(results):
    """What is worse than its goal, one line each."""
    for measure, about in MEASURES.items():
        for name in results.values.get(measure, {}):
            backend = name.partition("-")[2]
            value, ratio = results.median(measure, name), results.ratio(measure, name)
            if backend in about.value and value > about.value[backend]:
                yield f"{name}, {results.title(measure)}: {amount(value, about.unit)}, not {amount(about.value[backend], about.unit)}"
            if backend in about.ratio and ratio is not None and ratio > about.ratio[backend]:
                yield f"{name}, {results.title(measure)}: {fraction(ratio)} of Java's, not {fraction(about.ratio[backend])}"
    for measure, backend, ratio in pairs(results):
        if ratio > APART:
            yield f"smol-{backend}, {results.title(measure)}: {ratio:.2f} times tokio's, not {APART}"


def pairs(results):
    """smol against tokio, wherever both were measured."""
    for measure, about in MEASURES.items():
        for backend in BACKENDS:
            smol, tokio = (results.median(measure, f"{runtime}-{backend}") for runtime in ("smol", "tokio"))
            if smol is None or not tokio:
                continue
            yield measure, backend, 1.0 if abs(smol - tokio) <= NEGLIGIBLE[about.unit] else smol / tokio


def apart(results):
    found = [entry for entry in pairs(results) if MEASURES[entry[0]].shown]
    if not found:
        return None
    backends = [name for name in BACKENDS if any(backend == name for _, backend, _ in found)]
    lines = [row("smol against tokio", *(HEADERS[name] for name in backends)), row(*["---"] * (len(backends) + 1))]
    for measure in dict.fromkeys(measure for measure, _, _ in found):
        ratios = {backend: ratio for other, backend, ratio in found if other == measure}
        lines.append(row(results.title(measure), *(f"{ratios[name]:.2f}" if name in ratios else "-" for name in backends)))
    return "\n".join(lines)


def peers(results):
    if not results.peers:
        return None
    lines = [row("beside other programs", "ours", "theirs", "ratio"), row(*["---"] * 4)]
    number = lambda value: f"{value:,.3g}" if isinstance(value, (int, float)) else str(value)
    lines += [row(entry["measure"], *(number(entry[key]) for key in ("ours", "theirs", "ratio"))) for entry in results.peers]
    return "\n".join(lines)
