"""Many applications at once, some of which do not behave: `../../crowd`, in Python."""

from process import check


class Crowd:
    """`good` applications that behave, and one of each of the kinds `bad`."""

    def __init__(self, bench, proxy, good, bad=(), samples=20):
        self.good, self.samples = good, samples
        command = [*bench.tools.crowd(), "--port", str(proxy.port(bench.transport))]
        command += ["--good", str(good), "--samples", str(samples), "--bad", ",".join(bad)]
        self.process = bench.start("crowd", command)

    def await_connected(self, seconds=60.0):
        self.process.find("^CONNECTED$", seconds)

    def set(self, value):
        """What most samples of those that behave have from now on."""
        after = len(self.process.lines())
        self.process.tell(f"set {value}")
        self.process.find(f"^DONE set {value}$", after=after)

    def undisturbed(self):
        """Those that behave have kept their connections, and the others were what they should be."""
        faults = [line for line in self.process.lines() if line.startswith(("LOST", "BROKEN", "Traceback"))]
        check(not faults, f"the crowd says {faults}")


def text(number, samples=20, value=1):
    """What application `number` of those that behave answers: see `crowd.py`."""
    app = f'app="good-{number}"'
    return "".join(
        [
            "# HELP crowd_orders_total Orders taken, by shelf.\n",
            "# TYPE crowd_orders_total counter\n",
            *sample_lines(number, samples, value)[:-1],
            "# TYPE crowd_temperature_celsius gauge\n",
            f"crowd_temperature_celsius{{{app}}} {number}.5\n",
        ]
    )


def sample_lines(number, samples=20, value=1):
    """The lines of its samples."""
    app = f'app="good-{number}"'
    return [
        f'crowd_orders_total{{{app},shelf="0"}} {number}\n',
        *(f'crowd_orders_total{{{app},shelf="{shelf}"}} {value}\n' for shelf in range(1, samples)),
        f"crowd_temperature_celsius{{{app}}} {number}.5\n",
    ]
