"""rsocket-js in both roles, in two versions that have little in common: `v0` is 0.0.27, `v1` is 1.0.0-alpha.3."""

import os

from peers.general_ours import Server


def js_server(bench, version, *flags):
    return Server(bench.start(f"js-{version}-server", command(bench, version, "serve", *flags)), bench.transport)


def js_client(bench, version, server, *flags):
    return bench.start(f"js-{version}-client", command(bench, version, "call", "--port", str(server.port(bench.transport)), *flags))


def command(bench, version, role, *flags):
    main = os.path.join(bench.tools.js_peers(), "main.js")
    return ["node", main, version, role, "--transport", bench.transport.name, *flags]
