//! What the scenarios do not provoke, and why.

pub(super) const SERIES: &[(&str, &str)] = &[
    (
        "prometheus_proxy_http_connections_closed_total{reason=\"idle\"}",
        "takes minutes; the tests of http/ have it",
    ),
    (
        "prometheus_proxy_application_error_total{cause=\"over_share\"}",
        "takes a flood of pushes; pushes.rs has it",
    ),
    (
        "prometheus_proxy_scrapes_given_up_total{reason=\"refused_full\"}",
        "takes two addresses; the tests of admission have it",
    ),
    (
        "prometheus_proxy_app_scrape_failures_total{reason=\"connecting\"}",
        "a scrape asks only applications that are set up",
    ),
    (
        "prometheus_proxy_app_scrape_failures_total{reason=\"gone\"}",
        "only the reason of prometheus_proxy_app_up: each scrape would count it again",
    ),
    (
        "prometheus_proxy_app_scrape_failures_total{reason=\"worker\"}",
        "a worker that panics; the collector's tests have it",
    ),
    (
        "prometheus_proxy_connection_error_total{cause=\"admission_overloaded\"}",
        "takes a thousand applications with tokens of slow hashes; the collector's tests have it",
    ),
    (
        "prometheus_proxy_connection_error_total{cause=\"memory\"}",
        "takes much memory and time; memory.rs has it",
    ),
    ("prometheus_proxy_log_lines_dropped_total", "the log is read here; stderr.rs has it"),
    ("prometheus_proxy_probes_total{kind=\"rsocket\",listener=\"tcp\"}", "what the port is for"),
    (
        "prometheus_proxy_probes_total{kind=\"websocket_upgrade\",listener=\"websocket\"}",
        "what the port is for",
    ),
    (
        "rsocket_request_fnf_total{signal_type=\"CANCEL\"}",
        "the original has it for all kinds of requests, but this one cannot be cancelled",
    ),
];

pub(super) const MESSAGES: &[(&str, &str)] = &[
    (
        "the old key is dropped: every application has moved",
        "takes half a minute; simulated in tests/it/rotation.rs of simulation",
    ),
    ("a Snappy block that was read before is broken", "a fault of the program"),
    ("a text that was read before cannot be rendered", "a fault of the program"),
    ("a thread panicked", "a fault of the program"),
    ("a worker was lost", "a fault of the program"),
    (
        "HTTP answers cut off: they took too long to end",
        "takes a scraper that reads nothing of many megabytes; the tests of http/ have it",
    ),
    (
        "file descriptors have run out: a connection gets one from the reserve",
        "takes a limit that is lowered while the program runs; the attacks of interop/ do that",
    ),
    ("nothing can be written to --push-dir", "takes a disk that cannot be written to"),
    ("cannot notify systemd", "takes a socket that is not there; packaged.rs has it"),
    ("cannot raise the limit of file descriptors", "the system does not say no"),
    ("cannot start the runtime", "a system without threads or epoll"),
    ("files were not looked at", "a fault of the program"),
    ("the system gives no randomness", "the system does not run dry"),
    ("{warning}", "it is all placeholder; the tests of the original's settings have it"),
];

/// Series and messages that a busy machine may provoke all the same.
pub(super) const SOMETIMES: &[(&str, &str)] = &[
    (
        "prometheus_proxy_http_connections_closed_total{reason=\"trickle\"}",
        "takes more than ten seconds; the tests of http/pace.rs have it",
    ),
    (
        "prometheus_proxy_http_refused_total",
        "takes connections that are busy on all spare places, where answers are short; the tests of http/ have it",
    ),
    (
        "prometheus_proxy_app_scrape_failures_total{reason=\"not_asked\"}",
        "a race with a connection whose queue is full; the collector's tests have it",
    ),
    (
        "prometheus_proxy_app_scrape_failures_total{reason=\"overloaded\"}",
        "depends on the speed of the machine; the collector's tests have it",
    ),
    (
        "prometheus_proxy_app_scrape_failures_total{reason=\"unknown\"}",
        "an application forgotten between two locks",
    ),
    ("some connections did not end in time", "each connection gives up a second before that"),
];
