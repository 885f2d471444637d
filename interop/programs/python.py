"""A program with Prometheus' Python client: every kind of metric that it has, at /metrics on the port that is its argument."""

import sys
import threading

from prometheus_client import Counter, Enum, Gauge, Histogram, Info, Summary, start_http_server


def main():
    Counter("jobs", "Jobs that were done.", ["kind"]).labels('7" single').inc(3)
    Gauge("queue_length", "Jobs that wait.\nOf all kinds.").set(float("inf"))
    histogram = Histogram("job_seconds", "Time of a job.", buckets=(0.1, 1))
    histogram.observe(0.5, {"trace_id": "abc"})
    Summary("job_bytes", "Bytes of a job.").observe(7)
    Info("build", "What this is.").info({"version": "1.2.3"})
    Enum("state", "Whether it works.", states=["idle", "busy"]).state("busy")
    start_http_server(int(sys.argv[1]), addr="127.0.0.1")
    print("serving", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
