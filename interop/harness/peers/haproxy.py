"""HAProxy, which spreads connections over several proxies and asks each whether it is ready."""

import os

from ports import free_port
from process import until
from exposition import accepts_connections

CONFIGURATION = """\
global
  maxconn 1000
defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  retries 3
  option redispatch
frontend applications
  bind 127.0.0.1:{port}
  default_backend proxies
backend proxies
  balance leastconn
  option httpchk GET /-/ready
  default-server check inter 200ms fall 1 rise 1
{servers}
"""


class HaProxy:
    def __init__(self, bench, proxies, announces=False):
        """`announces`: it tells the proxies who connects, by the PROXY protocol."""
        self.port = free_port()
        header = " send-proxy-v2" if announces else ""
        servers = (f"  server proxy-{number} 127.0.0.1:{proxy.tcp} port {proxy.http}{header}" for number, proxy in enumerate(proxies))
        configuration = os.path.join(bench.folder, "haproxy.cfg")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(port=self.port, servers="\n".join(servers)))
        self.process = bench.start("haproxy", [*bench.tools.haproxy(), "-db", "-f", configuration])
        until("HAProxy listens", lambda: accepts_connections(self.port))
