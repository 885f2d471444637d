"""Applications that connect all at once: `storm.py PORT COUNT SOURCE AGAIN`.

They send SETUP, wait for their key, and stay without another word. Each second, and more often once all have their key, it prints an object with how many have it, how
many connections have ended, why the first one did, and how many have connected again, which AGAIN of those that end without a key may. It ends with its input.
"""

import contextlib
import json
import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time

import environment
import web
from hostile import framed, setup
from process import Failure, Gone, check, until

PROCESSES = 4


class Storm:
    """Processes that connect so many applications as fast as they can, until it is left. `again` of each process may connect again if they end without a key."""

    def __init__(self, proxy, count, again=0):
        self.count, self.processes = count, []
        each = [count // PROCESSES + (number < count % PROCESSES) for number in range(PROCESSES)]
        for number, part in enumerate(each):
            # Each from an address of its own, or their ports would not do.
            command = [sys.executable, "-B", f"{environment.HERE}/storm.py", str(proxy.tcp), str(part), f"127.0.0.{10 + number}", str(again)]
            self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self.said = [{"keyed": 0, "ended": 0, "again": 0} for _ in self.processes]
        for number, process in enumerate(self.processes):
            threading.Thread(target=self.listen, args=(number, process), daemon=True).start()

    def listen(self, number, process):
        for line in process.stdout:
            self.said[number] = json.loads(line)

    def keyed(self, seconds):
        """Waits until all have their key, and gives how many have connected again. None may be refused."""
        sums = lambda: {name: sum(said[name] for said in self.said) for name in ("keyed", "ended", "again")}
        why = lambda: ", ".join(said["why"] for said in self.said if "why" in said)

        def look():
            if any(process.poll() is not None for process in self.processes):
                raise Gone("storm.py has ended")
            if sums()["keyed"] < self.count:
                raise Failure(f"{sums()} {why()}")
            return True

        until(f"{self.count} applications have their key", look, seconds)
        check(not sums()["ended"], f"{sums()['ended']} connections have ended: {why()}")
        return sums()["again"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()


class Application:
    def __init__(self, port, number, source):
        self.hello = framed(setup({"app": f"storm-{source}-{number}"}))
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.bind((source, 0))
        self.socket.connect_ex((web.HOST, port))
        self.is_keyed = False

    def on_ready(self, watched):
        """Goes on where it can; whether it has its key now, or why the connection has ended."""
        try:
            if self.hello:
                self.hello = self.hello[self.socket.send(self.hello) :]
                if not self.hello:
                    watched.modify(self.socket, selectors.EVENT_READ, self)
                return False
            # The first that comes is the key. What follows is not for one that says nothing.
            if not self.socket.recv(1 << 16):
                return "closed"
            first, self.is_keyed = not self.is_keyed, True
            return first
        except BlockingIOError:
            return False
        except OSError as error:
            return str(error)


def main():
    port, count, source, again = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    watched, said = selectors.DefaultSelector(), {"keyed": 0, "ended": 0, "again": 0}

    def connect(number):
        application = Application(port, number, source)
        watched.register(application.socket, selectors.EVENT_WRITE, application)

    for number in range(count):
        connect(number)
    told = time.monotonic()
    while True:
        for entry, _ in watched.select(1.0):
            result = entry.data.on_ready(watched)
            if isinstance(result, str):
                watched.unregister(entry.fileobj)
                entry.fileobj.close()
                said.setdefault("why", result)
                if said["again"] < again and not entry.data.is_keyed:
                    connect(count + said["again"])
                    said["again"] += 1
                else:
                    said["ended"] += 1
            elif result:
                said["keyed"] += 1
        if time.monotonic() > told + (1 if said["keyed"] < count else 0.1):
            told = time.monotonic()
            with contextlib.suppress(BrokenPipeError):
                os.write(1, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main()
