"""Says what the two parsers of Prometheus' Python client make of bodies that a scraper could be given.

Standard input and output are those of `../stream`: a line of JSON before each body, and one for the verdict on it. The parser is chosen by the
content type.
"""

import io
import json
import sys

from prometheus_client.openmetrics.parser import text_fd_to_metric_families as openmetrics
from prometheus_client.parser import text_fd_to_metric_families as text


def opinion(body, content_type):
    """What a parser says: `accepted`, how much it has read, and why not all."""
    found = {"accepted": False, "samples": 0, "families": 0}
    parser = openmetrics if content_type.startswith("application/openmetrics-text") else text
    try:
        # Only \n ends a line.
        for family in parser(io.StringIO(body.decode(), newline="\n")):
            found["families"] += 1
            found["samples"] += len(family.samples)
        found["accepted"] = True
    except Exception as error:  # It refuses by whatever goes wrong in it first.
        found["error"] = f"{type(error).__name__}: {error}"
    return found


def main():
    source, sink = sys.stdin.buffer, sys.stdout
    while line := source.readline():
        head = json.loads(line)
        body = source.read(head["length"])
        if len(body) < head["length"]:
            sys.exit(f"body {head['id']!r} ends after {len(body)} bytes of {head['length']}")
        verdict = {"id": head["id"]}
        if "prometheus_client" in (head.get("among") or ["prometheus_client"]):
            verdict["prometheus_client"] = opinion(body, head["content_type"])
        print(json.dumps(verdict), file=sink)
        # One body at a time must be answered; the cost is nothing beside that of the parser.
        sink.flush()


if __name__ == "__main__":
    main()
