"""The cases, by who is run against whom. Importing a module adds its cases to the list, in this order."""

from cases import java_client, documents, our_client, programs, scrapers, sources, pushes, roll_out, disk, tls, admission, ways_out, envelope, keys, bad_input, bad_websocket, bad_handshake, demo, general_java, dashboards, general_js, judges, crowds, targets, inputs, logs, status, attacks  # noqa: F401
