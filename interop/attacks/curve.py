"""Draws the curves of a soak: `draw(folder)` reads each soak-RUNTIME.csv there and writes soak.svg."""

import csv
import glob
import os

MB = 1 << 20
COLOURS = {"tokio": "#1f77b4", "smol": "#d62728"}
WIDTH, HEIGHT, LEFT, GAP = 800, 150, 70, 50


def draw(folder):
    runs = {}
    for path in sorted(glob.glob(os.path.join(folder, "soak-*.csv"))):
        with open(path, encoding="ascii", newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        if rows:
            runs[os.path.basename(path)[5:-4]] = rows
    with open(os.path.join(folder, "soak.svg"), "w", encoding="utf-8") as file:
        file.write(svg(runs))


def svg(runs):
    panels = (
        ("resident memory, MiB", lambda rows: [row["rss_bytes"] / MB for row in rows]),
        ("file descriptors", lambda rows: [row["descriptors"] for row in rows]),
        ("processors in use", busy),
        ("connections since the start, thousands", lambda rows: [row["connects"] / 1000 for row in rows]),
    )
    longest = max((rows[-1]["seconds"] for rows in runs.values()), default=1) / 60
    total = len(panels) * (HEIGHT + GAP) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 20} {total}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, values) in enumerate(panels):
        lines = {name: [(row["seconds"] / 60, value) for row, value in zip(rows, values(rows), strict=True)] for name, rows in runs.items()}
        parts += panel(number * (HEIGHT + GAP) + 30, title, lines, longest)
    return "\n".join([*parts, "</svg>", ""])


def busy(rows):
    """Over ten samples each, or the clock's hundredths would be all there is to see."""
    shares = []
    for number, row in enumerate(rows):
        first = rows[max(0, number - 10)]
        took = row["seconds"] - first["seconds"]
        shares.append((row["cpu_seconds"] - first["cpu_seconds"]) / took if took else 0)
    return shares


def panel(top, title, lines, longest):
    most = max((value for points in lines.values() for _, value in points), default=0) * 1.1 or 1
    parts = [f'<text x="{LEFT}" y="{top - 8}">{title}</text>', f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>']
    for share in (0, 0.5, 1):
        y = top + HEIGHT * (1 - share)
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{most * share:.3g}</text>')
        minutes = f"{longest * share:.3g}" + (" min" if share == 1 else "")
        parts.append(f'<text x="{LEFT + WIDTH * share:.0f}" y="{top + HEIGHT + 15}" text-anchor="middle">{minutes}</text>')
    for number, (name, points) in enumerate(lines.items()):
        place = lambda at, value: f"{LEFT + WIDTH * at / longest:.1f},{top + HEIGHT * (1 - value / most):.1f}"
        colour = COLOURS.get(name, "#333")
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(place(*point) for point in points)}"/>')
        parts.append(f'<text x="{LEFT + WIDTH - 60 * number - 6}" y="{top - 8}" fill="{colour}" text-anchor="end">{name}</text>')
    return parts
