"""Generated sets of applications, judged: what `../sets` writes, read by the parsers that others wrote.

An application is served if and only if Prometheus reads it; an answer is accepted by all judges of its kind, with as many samples as it should
have, and where nothing was changed on purpose, with just the samples that the applications sent.
"""

import json
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from judges import Program
from process import Failure

# Bodies that are judged in one go: enough to keep all busy, and not too many to hold.
BATCH = 4000
OUT_OF_RANGE = re.compile(rb" [^ \n]+ (-\d|1e19|1e400|\d{16})")
BLANKS = re.compile(rb"^[ \t]+[a-zA-Z_:{]", re.MULTILINE)
# Who must accept an answer.
JOINED = ("textparse",)
STRICT = ("textparse", "expfmt", "prometheus_client")


@dataclass(frozen=True)
class Fault:
    """One disagreement."""

    set: int
    what: str
    why: str
    body: bytes

    @property
    def kind(self):
        """What is alike in many."""
        return f"{self.what}: {self.why.split(' at ')[0]}"


class Sets:
    """Judges a number of sets. `faults` has what was found, `counts` how much was judged."""

    def __init__(self, tools, first, count, only=None):
        self.command = [tools.sets(), "--first", str(first), "--count", str(count)]
        textparse, prometheus2, client = tools.judges()
        # Which programs are given which bodies.
        self.programs = {"textparse": textparse, "prometheus2": prometheus2, "prometheus_client": client}
        self.only = only
        self.faults = []
        self.counts = Counter()

    def run(self):
        generator = subprocess.Popen(self.command, stdout=subprocess.PIPE)
        programs = {name: Program(command) for name, command in self.programs.items()}
        try:
            with ThreadPoolExecutor(len(programs) + 1) as pool:
                following = pool.submit(batch, generator.stdout)
                while bodies := following.result():
                    following = pool.submit(batch, generator.stdout)
                    self.judge(bodies, programs, pool)
            if generator.wait() != 0:
                raise Failure(f"the generator ended with status {generator.returncode}")
        finally:
            generator.kill()
            generator.stdout.close()
            for program in programs.values():
                program.close()
        return self

    def judge(self, bodies, programs, pool):
        chosen = {name: [number for number, (head, _) in enumerate(bodies) if concerns(name, head)] for name in programs}
        asked = {
            name: pool.submit(programs[name].judge_all, [(bodies[number][0]["content_type"], bodies[number][1]) for number in numbers])
            for name, numbers in chosen.items()
        }
        verdicts = [{} for _ in bodies]
        for name, numbers in chosen.items():
            for number, verdict in zip(numbers, asked[name].result()):
                verdicts[number] |= verdict
        # The sets are whole: the generator's answers follow the applications that they are made of.
        for (head, body), verdict in zip(bodies, verdicts):
            self.counts[head["what"]] += 1
            check = self.application if head["what"] == "application" else self.answer
            for why in check(head, verdict, body):
                self.faults.append(Fault(head["set"], head["what"], why, body))

    def application(self, head, verdict, body):
        """What Prometheus reads is served, and nothing else."""
        opinion, said = verdict["textparse"], head["said"]
        if said == "served":
            self.start_set(head)
            # Prometheus 3 takes blanks before a name for part of it, and 2 refuses the scrape.
            self.exact &= not (opinion.quoted and BLANKS.search(body))
            # The text format has no times before 1970, and Prometheus makes another time of one beyond 64 bits.
            self.exact &= not OUT_OF_RANGE.search(body)
            self.digest = (self.digest + int(opinion.digest)) % (1 << 64)
            if not opinion.accepted:
                yield f"is served, and Prometheus says: {opinion.error}"
            elif opinion.samples != head["samples"]:
                yield f"has {head['samples']} samples, and to Prometheus {opinion.samples}"
        elif said == "bad" and opinion.accepted:
            yield f"Prometheus reads it, with {opinion.samples} samples, and we say: {head['reason']}"
        elif said == "reduced" and opinion.accepted:
            yield "is reduced, and Prometheus reads all of it"

    # Of the set whose applications were seen last.
    current = None
    digest = 0
    exact = True

    def start_set(self, head):
        if self.current != head["set"]:
            self.current, self.digest, self.exact = head["set"], 0, True

    def answer(self, head, verdict, _):
        self.start_set(head)
        for name in JOINED if head["what"] == "joined" else STRICT:
            if name in verdict and not verdict[name].accepted and not is_known(name, verdict[name].error, head["merged"]):
                yield f"{name}: {verdict[name].error}"
        if head["legacy"] and not verdict["prometheus2"].accepted:
            yield f"prometheus2: {verdict['prometheus2'].error}"
        opinion = verdict["textparse"]
        if opinion.accepted:
            # What comes twice may be written once; and names with underscores may meet.
            least = 0 if head["merged"] else head["samples"] - head["repeated"]
            if not least <= opinion.samples <= head["samples"]:
                yield f"should have {head['samples']} samples, and to Prometheus has {opinion.samples}"
            elif head["what"] != "single" and head["exact"] and self.exact and not head["repeated"] and int(opinion.digest) != self.digest:
                yield "has other samples than the applications sent"
            if opinion.repeated > head["repeated"] and not head["merged"]:
                yield f"{opinion.repeated} series come twice, and {head['repeated']} of one application"
            if head["legacy"] and opinion.quoted:
                yield f"{opinion.quoted} samples have names that Prometheus 2 cannot read"


# Refusals of the Python client that nothing can be done about without renaming or losing what Prometheus reads.
KNOWN = (
    # It takes label names that begin with two underscores for Prometheus' own.
    r"Invalid labels: (.*,)?__",
    # It takes the name of a counter `_total` for an empty one.
    r"metric name cannot be empty",
)
# The same, where names of two applications meet only once they have underscores: a series then comes twice. Prometheus takes the first.
KNOWN_IF_MERGED = (r"Invalid metric grouping", r"Mix of timestamp presence")


def is_known(name, error, merged):
    """Whether a refusal is one that is left as it is."""
    known = KNOWN + (KNOWN_IF_MERGED if merged else ())
    return name == "prometheus_client" and any(re.search(pattern, error) for pattern in known)


def concerns(name, head):
    if name == "textparse":
        return True
    if head["what"] == "application":
        return False
    return head["legacy"] if name == "prometheus2" else head["what"] != "joined"


def batch(stream):
    """Some bodies, up to the end of a set."""
    bodies = []
    while line := stream.readline():
        head = json.loads(line)
        bodies.append((head, stream.read(head["length"])))
        if len(bodies) >= BATCH and head["what"] == LAST:
            break
    return bodies


# The answer that a set ends with.
LAST = "openmetrics"
