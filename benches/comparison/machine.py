"""What the figures depend on."""

import datetime
import os
import platform
import re
import subprocess

from tools import REPOSITORY, has_openssl


def facts(programs, backends):
    facts = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": first_line("git", "rev-parse", "--short=12", "HEAD"),
        "changed": bool(first_line("git", "status", "--porcelain")),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "rustc": first_line("rustc", "--version"),
        # What else runs: above 1 before anything was started, the figures are too noisy to be quoted.
        "load_before": round(os.getloadavg()[0], 2),
    }
    if "openssl" in backends:
        facts["openssl"] = first_line("pkg-config", "--modversion", "openssl") if has_openssl() else "vendored"
    if programs.java:
        facts["java"] = first_line("java", "-version")
    if programs.prometheus:
        facts["prometheus"] = first_line(programs.prometheus, "--version")
    return facts


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return found[1] if found else platform.machine()


def first_line(*command):
    try:
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip().split("\n")[0]


def cpu_seconds(pid):
    """User and system time of a process since it began."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
