"""A program with a /metrics endpoint, for our client to relay."""

import http.server
import threading

from exposition import ORDERS


class Endpoint:
    """Serves one counter over HTTP; setting `count` changes its value, and `broken` makes it answer 500."""

    broken = False

    def __init__(self, app, count):
        self.app, self.count = app, count
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = endpoint.text().encode()
                self.send_response(500 if endpoint.broken else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Not into the report."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/metrics"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def text(self):
        return (
            f"# HELP {ORDERS} Orders taken\n"
            f"# TYPE {ORDERS} counter\n"
            f'{ORDERS}{{app="{self.app}"}} {self.count}\n'
        )

    def close(self):
        self.server.shutdown()
        self.server.server_close()
