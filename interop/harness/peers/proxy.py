"""What ours and the Java proxy have in common."""

import time

from exposition import get, orders
from process import Failure, check, until


class Proxy:
    """A proxy with `tcp`, `websocket` (either may be None) and `http` ports. `trust` is what HTTP needs if that is over TLS."""

    tcp = websocket = http = trust = None
    # Whether it reads what a client says of itself in SETUP.
    knows_labels = False

    def port(self, transport):
        return getattr(self, transport.listener)

    def own_metrics(self):
        status, text = get(self.http, "/metrics/proxy", trust=self.trust)
        check(status == 200, f"/metrics/proxy answers {status}: {text[:200]}")
        return text

    def scrape(self, seconds=10.0):
        """One scrape as Prometheus makes it: it must be answered with 200 before the scraper gives up."""
        started = time.monotonic()
        # The wait is longer than the limit, so that an answer that is late can be told from none at all.
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}"}
        try:
            status, text = get(self.http, "/metrics/connected", headers, seconds + 5, self.trust)
        except TimeoutError as error:
            raise Failure(f"a scrape had no answer {seconds + 5:g} s after it was asked") from error
        took = time.monotonic() - started
        check(status == 200, f"/metrics/connected answers {status}: {text[:200]}")
        check(took < seconds, f"a scrape was answered after {took:.2f} s, its limit is {seconds:g} s")
        return text

    def expect(self, app, count, seconds=20.0):
        """Scrapes until an application is served with this many orders, and gives that scrape's text."""

        def look():
            text = self.scrape()
            found = orders(text, app)
            if found != count:
                raise Failure("it is not in the scrape" if found is None else f"it has {found:g}")
            return text

        return until(f"{app} is served with {count:g} orders", look, seconds, pause=0.2)

    def await_connections(self, count):
        """Waits until the proxy knows that so many applications are left, without a scrape, which could change that."""
        raise NotImplementedError

    def start(self):
        """Starts the proxy; after `stop`, on the same ports."""
        raise NotImplementedError

    def stop(self):
        """Ends the proxy in good order."""
        raise NotImplementedError

    def restart(self):
        self.stop()
        self.start()
