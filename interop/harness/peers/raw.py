"""An endpoint that answers with bytes as they are."""

import os
import socketserver
import threading

INPUTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "inputs")
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"


class RawEndpoint:
    """Answers every request with a file of `inputs`: a whole HTTP answer, or a body of text. `app` is what it is called."""

    def __init__(self, name):
        self.app = name.rsplit(".", 1)[0]
        with open(os.path.join(INPUTS, name), "rb") as file:
            content = file.read()
        answer = content if name.endswith(".http") else HEAD.format(len(content)).encode() + content

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(answer)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/metrics"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
