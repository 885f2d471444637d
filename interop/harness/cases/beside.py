"""What the cases have in common in which one peer misbehaves beside another that does not."""

from contextlib import contextmanager

from exposition import orders
from process import check


@contextmanager
def undisturbed(bench, proxy, flags=()):
    """Connects a Java application, which must be served as before at the end, over the same connection."""
    app = bench.java_client(proxy, "steady", 4, flags)
    proxy.expect("steady", 4)
    yield
    check(orders(proxy.scrape(), "steady") == 4, "the other application is served as before")
    check("DISCONNECTED" not in app.process.lines(), "the connection of the other application has lasted")
