"""tinyproxy, an HTTP proxy that allows CONNECT to who shows a password."""

import os

from exposition import accepts_connections
from ports import free_port
from process import until

USER, PASSWORD = "relay", "tinyproxy-4711"

CONFIGURATION = """\
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 600
MaxClients 20
LogLevel Connect
BasicAuth {user} {password}
"""


class TinyProxy:
    def __init__(self, bench):
        self.port = free_port()
        configuration = os.path.join(bench.folder, "tinyproxy.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(port=self.port, user=USER, password=PASSWORD))
        self.process = bench.start("tinyproxy", [bench.tools.tinyproxy(), "-d", "-c", configuration])
        until("tinyproxy listens", lambda: accepts_connections(self.port))

    def flags(self, password_file):
        """What leads our client through it."""
        return ["--via", f"http://{USER}@127.0.0.1:{self.port}", "--via-password-file", password_file]

    def await_connect(self, port):
        """Waits until somebody has asked for a way to a port of this machine, and got it."""
        self.process.find(rf"CONNECT 127\.0\.0\.1:{port}\b")
        self.process.find(r"Established connection to host \"?127\.0\.0\.1")
