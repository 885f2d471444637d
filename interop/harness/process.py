"""Processes of peers: started, listened to, ended by their own id."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time

LOGS = tempfile.mkdtemp(prefix="interop-")
RUNNING = []


class Failure(Exception):
    """What a case expected did not come about."""


def until(what, check, seconds=20.0):
    """Waits until `check` gives something, and gives it. What it raises meanwhile counts as nothing."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            found = check()
            if found:
                return found
        except (OSError, Failure) as error:
            last = error
        time.sleep(0.05)
    raise Failure(f"{what}: not within {seconds:g} s" + (f" ({last})" if last else ""))


class Process:
    """A peer's process. Its output, both streams, goes to a file, and is searched line by line."""

    def __init__(self, name, command, cwd=None):
        self.name = name
        self.log = os.path.join(LOGS, f"{len(os.listdir(LOGS)):03}-{name}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=cwd, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
            )
        RUNNING.append(self)

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return re.sub(r"\x1b\[[0-9;]*m", "", log.read())

    def find(self, pattern, seconds=30.0):
        """Waits for a line, and gives the match."""

        def look():
            match = re.search(pattern, self.output(), re.MULTILINE)
            if not match and self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode}")
            return match

        return until(f"{self.name} says {pattern!r}", look, seconds)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def signal(self, number):
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def wait(self, seconds=20.0):
        """Waits for the end, and gives the exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{self.name} did not end within {seconds:g} s") from error

    def stop(self):
        """Ends the process, whatever state it is in."""
        for number in (signal.SIGCONT, signal.SIGTERM):
            self.signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        if self in RUNNING:
            RUNNING.remove(self)


def stop_all():
    """Ends all that still runs, at once rather than in turn."""
    threads = [threading.Thread(target=process.stop) for process in list(RUNNING)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tails(lines=15):
    """The ends of all logs, for a failure's report."""
    for name in sorted(os.listdir(LOGS)):
        with open(os.path.join(LOGS, name), encoding="utf-8", errors="replace") as log:
            yield name, log.read().splitlines()[-lines:]


def forget_logs():
    for name in os.listdir(LOGS):
        os.unlink(os.path.join(LOGS, name))
