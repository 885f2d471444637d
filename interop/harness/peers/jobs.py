"""Applications that end (`../../crowd/jobs.py`), and what scrapes have of them."""

import http.client
import re

from process import check

LAST = re.compile(r'^job_last\{app="job-(\d+)"\} (\d+)$', re.MULTILINE)
PUSHED = re.compile(r'^job_pushed\{app="job-(\d+)"\} 1$', re.MULTILINE)
ALIVE = re.compile(r'^job_alive\{app="job-(\d+)"\} 1$', re.MULTILINE)


class Jobs:
    """The program with all of them. They have the numbers that the commands name."""

    def __init__(self, bench, port, *flags):
        self.process = bench.start("jobs", [*bench.tools.jobs(), "--port", str(port), *flags])

    def live(self, first, last, seconds=60.0):
        """Applications that connect, and are there to be scraped."""
        self.process.tell(f"live {first} {last}")
        self.process.find(f"^DONE live {first} {last}$", seconds)

    def begin_push(self, first, last, seconds):
        """These push, spread over a time, and end."""
        self.process.tell(f"push {first} {last} {seconds}")
        return lambda limit=60.0: self.process.find(f"^DONE push {first} {last} {seconds}$", seconds + limit)

    def push(self, first, last, seconds=0, limit=60.0):
        self.begin_push(first, last, seconds)(limit)

    def acknowledged(self):
        """The numbers of those whose push was acknowledged."""
        return {int(line.split()[1]) for line in self.process.lines() if line.startswith("ACKNOWLEDGED ")}

    def refused(self):
        """Why pushes were refused, by number."""
        return self.reasons("REFUSED ")

    def lost(self):
        """Why pushes had no answer, by number."""
        return self.reasons("LOST ")

    def reasons(self, beginning):
        said = (line.removeprefix(beginning).split(": ", 1) for line in self.process.lines() if line.startswith(beginning))
        return {int(number): why for number, why in said}


class Scraper:
    """A scraper with a name, which keeps its connection, as Prometheus does.

    `had` has the applications whose last text it has had, and how often as a push: not at all if the application itself has answered with it.
    """

    def __init__(self, port, name, seconds=10.0):
        self.name, self.seconds = name, seconds
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds + 5)
        self.had = {}

    def scrape(self):
        """One scrape: its text. One that is refused or broken off raises OSError, and has delivered nothing."""
        try:
            self.connection.request("GET", f"/metrics/connected?scraper={self.name}", headers={"X-Prometheus-Scrape-Timeout-Seconds": f"{self.seconds:g}"})
            answer = self.connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise OSError(f"no whole answer: {error!r}") from error
        check(answer.status == 200, f"a scrape is answered with {answer.status}: {text[:200]}")
        for number in lasts(text):
            self.had.setdefault(number, 0)
        for number in map(int, PUSHED.findall(text)):
            self.had[number] += 1
        return text

    def has_each_once(self, numbers):
        """Fails unless it had the last text of each of these, and none twice."""
        missing = sorted(set(numbers) - set(self.had))
        check(not missing, f"{self.name}: {len(missing)} of {len(numbers)} acknowledged pushes were never served: {missing[:5]}")
        self.has_none_again()

    def has_none_again(self):
        again = {number: count for number, count in self.had.items() if count > 1}
        check(not again, f"{self.name}: {len(again)} pushes were served more than once: {dict(list(again.items())[:5])}")

    def close(self):
        self.connection.close()


def lasts(text):
    """Whose last text is in a scrape."""
    return [int(number) for number, value in LAST.findall(text) if number == value]


def alive(text):
    """Which applications have answered a scrape."""
    return {int(number) for number in ALIVE.findall(text)}
