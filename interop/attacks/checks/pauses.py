"""A process that stands still for a while."""

import signal
import time

import beside
import web
from process import check

from . import attack


@attack("pauses/during-a-scrape")
def during_a_scrape(world):
    """The proxy is stopped for seconds beyond a scrape's deadline: what arrived meanwhile is in the answer, and it goes on."""
    proxy = world.start(beside={"every": 0, "delay": 0.5})
    for _ in range(world.choose(1, 3)):
        with web.connect(proxy.http, seconds=15.0) as connection:
            connection.sendall(web.scrape_request(2))
            time.sleep(0.25)
            proxy.popen.send_signal(signal.SIGSTOP)
            time.sleep(world.choose(4.5, 8))
            proxy.popen.send_signal(signal.SIGCONT)
            answer = b""
            while piece := connection.recv(1 << 18):
                answer += piece
        status, body = web.parsed(answer)
        check(status == 200, f"status {status}")
        lacking = beside.missing(body, 5)
        check(not lacking, f"{lacking} samples missing, which had arrived")
    status, body = web.scrape(proxy.http)
    check(status == 200 and not beside.missing(body, 5), "the next scrape is not whole")
