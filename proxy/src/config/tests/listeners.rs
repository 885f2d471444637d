use super::*;
use proptest::prelude::*;

#[test]
fn the_names_of_the_original_set_the_ports() {
    let args = [
        "--server.port=1",
        "--micrometer.prometheus-proxy.tcp-port=2",
        "--micrometer.prometheus-proxy.websocket-port=3",
    ];
    let bound = [
        ("SERVER_PORT", "1"),
        ("MICROMETER_PROMETHEUSPROXY_TCPPORT", "2"),
        ("MICROMETER_PROMETHEUSPROXY_WEBSOCKETPORT", "3"),
    ];
    let underscored = [
        ("SERVER_PORT", "1"),
        ("MICROMETER_PROMETHEUS_PROXY_TCP_PORT", "2"),
        ("MICROMETER_PROMETHEUS_PROXY_WEBSOCKET_PORT", "3"),
    ];
    let expected = Config {
        listen_http: on("0.0.0.0", 1),
        listen_tcp: on("0.0.0.0", 2),
        listen_websocket: on("0.0.0.0", 3),
        ..Config::default()
    };
    assert_eq!(accepted(&args, &[]), expected);
    assert_eq!(accepted(&[], &bound), expected);
    assert_eq!(accepted(&[], &underscored), expected);
    refused(&["--server.port=x"], &[], &["--server.port", "x"]);
    refused(&[], &[("SERVER_PORT", "tcp://10.0.0.1:80")], &["SERVER_PORT", "tcp://10.0.0.1:80"]);
}

#[test]
fn the_host_of_the_original_is_that_of_all_listeners_that_are_not_set() {
    let expected = |host: &str| Config {
        listen_tcp: on(host, 7001),
        listen_websocket: on(host, 8081),
        listen_http: on(host, 8080),
        ..Config::default()
    };
    for (value, host) in [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::", "::"),
    ] {
        assert_eq!(accepted(&[], &[("SERVER_ADDRESS", value)]), expected(host));
        assert_eq!(accepted(&[&format!("--server.address={value}")], &[]), expected(host));
    }
    let both = accepted(&["--server.address=a"], &[("SERVER_ADDRESS", "b")]);
    assert_eq!(both, expected("a"));
    for bad in ["127.0.0.1:8080", "http://host", "[::1]:1", "[name]", "a b", "::g"] {
        refused(&[], &[("SERVER_ADDRESS", bad)], &["SERVER_ADDRESS", bad, "without a port"]);
        refused(&[&format!("--server.address={bad}")], &[], &["--server.address", bad]);
    }
}

#[test]
fn the_host_of_the_original_goes_with_its_ports_and_leaves_own_options_alone() {
    let env = [
        ("SERVER_ADDRESS", "127.0.0.1"),
        ("MICROMETER_PROMETHEUSPROXY_TCPPORT", "1"),
        ("PROMETHEUS_RSOCKET_PROXY_LISTEN_WEBSOCKET", "c:2"),
    ];
    let config = accepted(&["--server.port=3"], &env);
    assert_eq!(config.listen_tcp, on("127.0.0.1", 1));
    assert_eq!(config.listen_websocket, on("c", 2));
    assert_eq!(config.listen_http, on("127.0.0.1", 3));
    let config = accepted(&["--listen-http=d:4", "--listen-tcp=off"], &env);
    assert_eq!(config.listen_http, on("d", 4));
    assert_eq!(config.listen_tcp, ListenAddr::Off);
}

#[test]
fn addresses() {
    let cases = [
        ("127.0.0.1:0", on("127.0.0.1", 0)),
        ("localhost:65535", on("localhost", 65535)),
        ("[::]:7001", on("::", 7001)),
        (":7001", on("0.0.0.0", 7001)),
        ("off", ListenAddr::Off),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
    for text in [
        "",
        ":",
        "7001",
        "host",
        "host:",
        "host:x",
        "host:65536",
        "host:-1",
        "::1:7001",
        "::1",
        "[::1]",
        "[::1:7001",
        "[name]:1",
        "http://host:1",
        "ho st:1",
        "OFF",
        "a@b:1",
    ] {
        assert!(text.parse::<ListenAddr>().is_err(), "{text}");
    }
}

#[test]
fn an_address_with_a_scheme_is_told_to_leave_it_out() {
    for (value, scheme, address) in [
        ("http://0.0.0.0:8080", "http://", "0.0.0.0:8080"),
        ("tcp://localhost:7001/", "tcp://", "localhost:7001"),
        ("http://[::1]:80", "http://", "[::1]:80"),
    ] {
        let hint = format!("leave out {scheme}, as in {address}");
        refused(&["--listen-http", value], &[], &["--listen-http", value, &hint]);
        let error = value.parse::<ListenAddr>().unwrap_err();
        assert!(!error.contains("bracket"), "{error}");
        let env = "PROMETHEUS_RSOCKET_PROXY_LISTEN_HTTP";
        refused(&[], &[(env, value)], &[env, value, &hint]);
    }
}

#[test]
fn where_prometheus_reaches_the_proxy() {
    for (value, expected) in [
        ("proxy.example.org:8080", "proxy.example.org:8080"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("[::1]:1", "[::1]:1"),
    ] {
        let given = accepted(&["--advertise-http", value], &[]).advertise_http;
        assert_eq!(given.as_deref(), Some(expected));
        let env = [("PROMETHEUS_RSOCKET_PROXY_ADVERTISE_HTTP", value)];
        assert_eq!(accepted(&[], &env).advertise_http.as_deref(), Some(expected));
    }
    for bad in ["off", ":8080", "host", "host:0", "http://host:80", "host:80/sd", "::1:80", "a b:1"]
    {
        refused(&["--advertise-http", bad], &[], &["--advertise-http", bad]);
    }
}

proptest! {
    #[test]
    fn an_address_reads_as_it_is_written(
        host in "([a-z][a-z0-9.-]{0,20}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|::1|fe80::[0-9a-f]{1,4})",
        port: u16,
    ) {
        let addr = ListenAddr::On { host, port };
        prop_assert_eq!(addr.to_string().parse(), Ok(addr));
    }
}
