"""Ports for peers that cannot be asked to take any free one."""

import random
import socket

# Below the range from which the kernel takes the ports of outgoing connections, so that none of those is in the way when a
# peer comes back on the same port.
LOW, HIGH = 20_000, 32_000


def free_port():
    while True:
        port = random.randrange(LOW, HIGH)
        with socket.socket() as probe:
            # As servers do: an old connection of this port that has not been forgotten yet is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
