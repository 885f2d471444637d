"""Processes of peers: started, listened to, told things, and ended by their own id."""

import contextlib
import os
import re
import signal
import subprocess
import time

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Unavailable(Exception):
    """A program, or what it should make, cannot be had."""


class Failure(Exception):
    """What a case expected did not come about."""


class Gone(Failure):
    """A process has ended, so that waiting for it any longer is in vain."""


def check(condition, what):
    """Fails the case with `what` unless the condition holds."""
    if not condition:
        raise Failure(what)


def until(what, look, seconds=20.0, pause=0.05):
    """Waits until `look` gives something, and gives that. What it raises meanwhile is the reason if time runs out."""
    end = time.monotonic() + seconds
    reason = None
    while True:
        try:
            found = look()
            if found:
                return found
            reason = None
        except Gone:
            raise
        except (OSError, Failure) as error:
            reason = error
        if time.monotonic() >= end:
            raise Failure(f"not within {seconds:g} s: {what}" + (f" ({reason})" if reason else ""))
        time.sleep(pause)


class Process:
    """A peer's process. Its output, both streams, goes to a file, which is searched line by line."""

    def __init__(self, name, command, log):
        self.name = name
        self.log = log
        with open(log, "wb") as file:
            self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT)

    def lines(self, after=0):
        """The lines that it has said, without colours and without the first `after`."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return COLOURS.sub("", file.read()).split("\n")[:-1][after:]

    def find(self, pattern, seconds=30.0, after=0):
        """Waits for a line that has the pattern in it, and gives the match."""
        wanted = re.compile(pattern)

        def look():
            # Asked before the log is read: what it said last still counts.
            status = self.popen.poll()
            for line in self.lines(after):
                if match := wanted.search(line):
                    return match
            if status is not None:
                raise Gone(f"{self.name} ended with status {status} before it said {pattern!r}")
            return None

        return until(f"{self.name} says {pattern!r}", look, seconds)

    def tell(self, line):
        """Writes a line to its standard input."""
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def signal(self, number):
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def pause(self):
        """Stops it, as if it hung; `resume` lets it go on."""
        self.signal(signal.SIGSTOP)
        # Its threads stop one after the other: what they do until the last one has is not yet the answer of one that hangs.
        stopped = lambda: os.waitid(os.P_PID, self.popen.pid, os.WSTOPPED | os.WNOHANG)
        until(f"{self.name} is stopped", stopped)

    def resume(self):
        self.signal(signal.SIGCONT)

    def wait(self, seconds=20.0):
        """Waits for its end, and gives the exit status."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{self.name} did not end within {seconds:g} s") from error

    def terminate(self):
        """Ends it as an orchestrator would, and gives the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """Ends it at once, as a crash or the kernel would; also one that is stopped."""
        self.signal(signal.SIGKILL)
        self.wait()

    def close(self):
        """Ends it if it still runs, and lets go of its input."""
        self.kill()
        # A command that was never read must not make closing the pipe fail.
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()

    def tail(self, count=15):
        return self.lines()[-count:]


def log_path(folder, name):
    """A path for a log; numbered, so that they sort by start and a peer may be started again."""
    return os.path.join(folder, f"{len(os.listdir(folder)):02}-{name}.log")
