"""Scraping over HTTP, and reading single values out of the text format."""

import http.client
import re
import socket

from process import Failure

ORDERS = "interop_orders_total"


def get(port, path, headers=None, seconds=30.0, trust=None):
    """An HTTP GET on the loopback address, over TLS if told whom to trust: the status and the text."""
    if trust:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=seconds, context=trust)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        # So that those who wait until something answers have one kind of error to think of.
        raise OSError(f"no HTTP answer: {error!r}") from error
    finally:
        connection.close()


def value(text, name, **labels):
    """The value of the one series of that name which has these labels, and perhaps others; None if there is none."""
    found = [
        float(number)
        for listed, number in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)", text, re.MULTILINE)
        if all(re.search(rf'(?:^|,){label}="{re.escape(wanted)}"', listed) for label, wanted in labels.items())
    ]
    if len(found) > 1:
        raise Failure(f"{name} with {labels} is there {len(found)} times")
    return found[0] if found else None


def orders(text, app):
    """How many orders an application has counted, as far as a scrape tells."""
    return value(text, ORDERS, app=app)


def accepts_connections(port):
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    return True
