"""Files that are none, where the proxy reads one."""

import os
import subprocess

from process import Failure, check

from . import attack


@attack("files/odd-certificates")
def odd_certificates(world):
    """A FIFO or a device as a certificate or key ends the program at start with an error that names it."""
    fifo = os.path.join(world.folder, "fifo")
    os.mkfifo(fifo)
    endless = os.path.join(world.folder, "endless")
    with open(endless, "wb") as file:
        file.truncate(1 << 40)
    plain = os.path.join(world.folder, "plain.pem")
    with open(plain, "w", encoding="ascii") as file:
        file.write("nothing\n")
    for odd in (fifo, "/dev/zero", endless):
        refused(world, odd, ["--tcp-tls-cert", odd, "--tcp-tls-key", plain])
    refused(world, fifo, ["--http-tls-cert", plain, "--http-tls-key", fifo])


def refused(world, odd, flags):
    proxy = world.start_proxy(*flags, ready=False)
    try:
        status = proxy.popen.wait(10)
    except subprocess.TimeoutExpired:
        raise Failure(f"{odd} as {flags[0]}: it is still starting after 10 s, with {proxy.memory() >> 20} MB") from None
    check(status not in (0, 101) and status > 0, f"{odd} as {flags[0]}: it ends with status {status}")
    check(odd in proxy.log_text(), f"{odd} as {flags[0]}: the error does not name it: {proxy.log_text()[-300:]!r}")
