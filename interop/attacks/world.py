"""What a check works with: a proxy process of bounded resources, what is beside it, and the verdict over a time of attack."""

import contextlib
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import web
from environment import HERE, built
from ports import free_port
from process import Failure, Gone, check, until
from variant import RUNTIMES

MB = 1 << 20
# What the program itself needs beside `--max-memory`.
PROGRAM = 64 * MB
# No log may become longer, and no proxy larger, whatever is wrong with it.
LONGEST_LOG = 256 * MB
LARGEST = 4096 * MB
PR_SET_PDEATHSIG = 1
# The default of `--max-memory`.
MAX_MEMORY = 192 * MB


class Proxy:
    """A process of the proxy. `stderr` is a descriptor in the place of its log file, `descriptors` its limit of them."""

    def __init__(self, binary, runtime, folder, flags, stderr=None, descriptors=None):
        self.tcp, self.http = free_port(), free_port()
        self.log = os.path.join(folder, f"proxy-{self.tcp}.log")
        command = [binary, "--runtime", runtime, "--listen-tcp", f"{web.HOST}:{self.tcp}", "--listen-websocket", "off"]
        command += ["--listen-http", f"{web.HOST}:{self.http}", *flags]

        def limit():
            # It ends with the process that started it, however that ends.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            # Ignored, so that a full log file is an error of writing and no signal.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (LONGEST_LOG, LONGEST_LOG))
            resource.setrlimit(resource.RLIMIT_DATA, (LARGEST, LARGEST))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        with open(self.log, "wb") as file:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr if stderr is not None else file, preexec_fn=limit
            )

    def await_ready(self):
        until("the proxy is ready", self.is_ready)

    def is_ready(self):
        self.alive()
        return web.get(self.http, "/-/ready", 2)[0] == 200

    def alive(self):
        status = self.popen.poll()
        if status is not None:
            raise Gone(f"the proxy ended with status {status}: {self.log_text()[-300:]!r}")

    def log_text(self, after=0):
        """The log from a position on; of a very long one, the first part."""
        with open(self.log, "rb") as file:
            file.seek(after)
            return file.read(16 * MB).decode(errors="replace")

    def log_size(self):
        return os.path.getsize(self.log)

    def log_lines(self, after=0):
        """How many lines there are from a position on."""
        count = 0
        with open(self.log, "rb") as file:
            file.seek(after)
            while piece := file.read(MB):
                count += piece.count(b"\n")
        return count

    def memory(self, what="VmRSS"):
        """Resident bytes; with VmHWM, the most since `forget_peak`."""
        try:
            with open(f"/proc/{self.popen.pid}/status", encoding="ascii", errors="replace") as file:
                return int(re.search(what + r":\s+(\d+)", file.read()).group(1)) * 1024
        except (OSError, AttributeError):
            self.alive()
            raise

    def forget_peak(self):
        with open(f"/proc/{self.popen.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def processor_time(self):
        """Seconds of all threads."""
        with open(f"/proc/{self.popen.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextlib.contextmanager
    def working_less_than(self, limit, meanwhile):
        """Fails unless all threads together have used less than this part of a processor."""
        spent, began = self.processor_time(), time.monotonic()
        yield
        share = (self.processor_time() - spent) / (time.monotonic() - began)
        check(share < limit, f"{share:.0%} of a processor while {meanwhile}")

    def metrics(self):
        """The proxy's own metrics, by name and labels as they are written."""
        _, body = web.get(self.http, "/metrics/proxy")
        lines = [line for line in body.decode().splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def terminate(self, seconds=25.0):
        """Ends it as an orchestrator would, and gives the exit status."""
        self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"the proxy has not ended {seconds:g} s after SIGTERM") from error

    def kill(self):
        self.popen.kill()
        self.popen.wait()


def judged(verdicts):
    """What verdicts have found, as one text. Fails with all that is wrong, beside what is right."""
    found, faults = [], []
    for verdict in verdicts:
        try:
            found.append(verdict())
        except Failure as failure:
            faults.append(str(failure))
    check(not faults, "; ".join([*faults, "else " + ", ".join(found)]))
    return ", ".join(found)


def run_on_runtimes(options, title, attack):
    """Runs an attack on each runtime that was asked for, and reports it. Gives the exit status."""
    options.binary = options.binary or built()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = 0
    for runtime in RUNTIMES if options.runtime == "both" else (options.runtime,):
        with World(options.binary, runtime, True) as world:
            try:
                print(f"ok {runtime}/{title}: {attack(world, options)}", flush=True)
            except (Failure, OSError) as error:
                failed += 1
                print(f"FAIL {runtime}/{title}: {error}", flush=True)
    return 1 if failed else 0


class Beside:
    """The process of `beside.py`."""

    def __init__(self, proxy, folder, options):
        self.output = os.path.join(folder, f"beside-{proxy.tcp}.jsonl")
        command = [sys.executable, "-B", os.path.join(HERE, "beside.py"), "--tcp", str(proxy.tcp), "--http", str(proxy.http)]
        command += [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        with open(self.output, "wb") as file:
            self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT)
        until("good applications are connected", self.rows)

    def rows(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file.read().split("\n")[:-1]]
        try:
            return [json.loads(line) for line in lines]
        except ValueError:
            raise Failure(f"beside.py says {lines[-1]!r}") from None

    def during(self, kind, start, end, seconds=15.0):
        """What began in a time. It waits for the last of it."""
        of_kind = lambda: [row for row in self.rows() if row["kind"] == kind]
        until(f"the last {kind} ends", lambda: any(row["at"] > end for row in of_kind()), seconds)
        return [row for row in of_kind() if start <= row["at"] <= end]

    def kill(self):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()


class World:
    """One check's proxy and what is beside it. Leaving it ends all that it started."""

    def __init__(self, binary, runtime, full):
        self.binary, self.runtime, self.full = binary, runtime, full
        self.folder = tempfile.mkdtemp(prefix="attacks-")
        self.closing = contextlib.ExitStack()
        self.closing.callback(shutil.rmtree, self.folder, True)
        self.proxy = self.beside = None
        self.max_memory = MAX_MEMORY

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.close()

    def choose(self, fast, full):
        return full if self.full else fast

    def start(self, *flags, max_memory=None, beside=(), **options):
        """Starts a proxy, and five good applications and a scraper beside it, and waits for a whole scrape."""
        if max_memory:
            self.max_memory = max_memory
            if knows(self.binary, "--max-memory"):
                flags += ("--max-memory", str(max_memory))
        return self.attend(self.start_proxy(*flags, **options), beside)

    def attend(self, proxy, beside=()):
        """Starts good applications and a scraper beside a proxy, and waits for a whole scrape."""
        self.proxy = proxy
        self.beside = Beside(self.proxy, self.folder, dict(beside))
        self.closing.callback(self.beside.kill)
        if dict(beside).get("every") != 0:
            until("a whole scrape", lambda: any(row["kind"] == "scrape" and not row["fault"] for row in self.beside.rows()))
        return self.proxy

    def start_proxy(self, *flags, ready=True, **options):
        """A proxy that is ready, unless that is not to be waited for."""
        while True:
            proxy = Proxy(self.binary, self.runtime, self.folder, flags, **options)
            self.closing.callback(proxy.kill)
            try:
                if ready:
                    proxy.await_ready()
            except Failure:
                # Somebody else has taken a port meanwhile.
                if "Address already in use" in proxy.log_text():
                    continue
                raise
            return proxy

    def keep(self, thing):
        """Closes a thing when the check ends."""
        self.closing.callback(closed, thing)
        return thing

    def background(self, function, *arguments):
        """Runs a function in a thread, which the end of its connections ends."""
        thread = threading.Thread(target=in_the_background, args=(function, *arguments), daemon=True)
        thread.start()
        return thread

    @contextlib.contextmanager
    def watched(self, seconds=1.2):
        """The body is an attack, which is given at least this time. Meanwhile nobody else may suffer."""
        proxy = self.proxy
        started = proxy.memory()
        proxy.forget_peak()
        start = time.monotonic()
        yield
        time.sleep(max(0.0, start + seconds - time.monotonic()))
        end = time.monotonic()
        peak = proxy.memory("VmHWM")
        proxy.alive()
        for kind in ("scrape", "healthy"):
            self.judge(kind, start, end)
        proxy.alive()
        bound = self.max_memory + PROGRAM
        check(peak <= bound, f"{mb(peak)} at most, from {mb(started)}; the limit is {mb(bound)}")

    def judge(self, kind, start, end):
        """Fails unless every scrape, or every probe, that began in a time was answered as it should be. Gives how many they were."""
        rows = self.beside.during(kind, start, end)
        faults = [row["fault"] for row in rows if row["fault"]]
        check(rows, f"no {kind} was made")
        check(not faults, f"{len(faults)} of {len(rows)} times, {kind} failed: {sorted(set(faults))[:3]}")
        return len(rows)

    def shrinks(self, start, seconds=60.0):
        """Waits until the proxy holds no more than a fifth, or 16 MB, above what it held at the start."""
        bound = max(start * 6 // 5, start + 16 * MB)
        began = time.monotonic()
        while self.proxy.memory() > bound:
            if time.monotonic() > began + seconds:
                raise Failure(f"{seconds:g} s later it still holds {mb(self.proxy.memory())}, from {mb(start)}")
            time.sleep(0.2)
        return f"back to {mb(self.proxy.memory())} after {time.monotonic() - began:.0f} s"


def closed(thing):
    with contextlib.suppress(OSError):
        thing.close()


def in_the_background(function, *arguments):
    """For what ends when the other side has enough of it. It yields the processor to the proxy: who has more of it is not the question."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    with contextlib.suppress(OSError, EOFError, ValueError):
        function(*arguments)


def mb(count):
    return f"{count / MB:.0f} MB"


def knows(binary, flag):
    return flag in subprocess.run([binary, "--help"], capture_output=True, text=True, check=False).stdout
