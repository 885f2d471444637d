mod tls;

use super::*;
use clap::CommandFactory;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn parse(args: &[&str], env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env: BTreeMap<_, _> = env.iter().copied().collect();
    let args = ["prometheus-rsocket-proxy"].iter().chain(args).map(OsString::from);
    Config::from_args(args.collect::<Vec<_>>(), |name| env.get(name).map(OsString::from))
}

#[track_caller]
fn accepted(args: &[&str], env: &[(&str, &str)]) -> Config {
    parse(args, env).unwrap_or_else(|error| panic!("{error}"))
}

/// The message must name each of `parts`.
#[track_caller]
fn refused(args: &[&str], env: &[(&str, &str)], parts: &[&str]) {
    let error = parse(args, env).expect_err("a bad configuration");
    assert_eq!(error.exit_code(), 2);
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
}

fn on(host: &str, port: u16) -> ListenAddr {
    ListenAddr::On { host: host.to_owned(), port }
}

/// Option, what its help calls the default, and its own variable.
fn options() -> Vec<(String, String, String)> {
    let args = Args::command();
    let visible = args.get_arguments().filter(|arg| !arg.is_hide_set());
    visible
        .filter_map(|arg| {
            let option = arg.get_long()?.to_owned();
            let help = arg.get_help()?.to_string();
            let (_, default) = help.rsplit_once("[default: ")?;
            let env =
                format!("PROMETHEUS_RSOCKET_PROXY_{}", option.to_uppercase().replace('-', "_"));
            Some((option, default.trim_end_matches(']').to_owned(), env))
        })
        .collect()
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(accepted(&[], &[]), Config::default());
}

#[test]
fn help_tells_the_true_defaults() {
    let options = options();
    assert_eq!(options.len(), FIELDS);
    let args: Vec<_> = options.iter().map(|(name, value, _)| format!("--{name}={value}")).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    assert_eq!(accepted(&args, &[]), Config::default());
}

#[test]
fn every_option_has_a_variable() {
    for (option, _, env) in options() {
        // No option takes this value, except the log filter, which takes any word for the name of a target.
        let bad = if option == "log" { "info=info=info" } else { "nonsense" };
        refused(&[], &[(&env, bad)], &[&env, bad]);
        refused(&[&format!("--{option}={bad}")], &[], &[&format!("--{option}"), bad]);
    }
}

#[test]
fn variables_that_kubernetes_sets_are_no_options() {
    for (_, _, env) in options() {
        let name = env.strip_prefix("PROMETHEUS_RSOCKET_PROXY_").unwrap();
        assert!(!name.starts_with("PORT") && !name.starts_with("SERVICE_"), "{env}");
    }
    let env = [
        ("PROMETHEUS_RSOCKET_PROXY_PORT", "tcp://10.0.0.1:7001"),
        ("PROMETHEUS_RSOCKET_PROXY_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(accepted(&[], &env), Config::default());
}

#[test]
fn every_setting_reaches_its_field() {
    let settings = [
        ("listen-tcp", "127.0.0.1:1"),
        ("listen-websocket", "off"),
        ("listen-http", "[::1]:3"),
        ("websocket-path", "/rsocket"),
        ("handshake-timeout", "18s"),
        ("tls-reload-interval", "19s"),
        ("runtime", "smol"),
        ("demo", "4"),
        ("log", "debug,hyper=warn"),
        ("scrape-timeout", "5s"),
        ("scrape-timeout-max", "6s"),
        ("scrape-timeout-offset", "7ms"),
        ("max-concurrent-scrapes", "8"),
        ("max-http-connections", "9"),
        ("max-connections", "10"),
        ("max-text-bytes", "11KiB"),
        ("max-series", "12"),
        ("max-frame-bytes", "13KiB"),
        ("setup-timeout", "14s"),
        ("key-bits", "3072"),
        ("envelope", "plaintext"),
        ("max-held-pushes", "0"),
        ("max-held-push-bytes", "16MiB"),
        ("push-ttl", "17m"),
        ("shutdown-timeout", "0s"),
    ];
    assert_eq!(settings.len(), FIELDS);
    let expected = Config {
        listen_tcp: on("127.0.0.1", 1),
        listen_websocket: ListenAddr::Off,
        listen_http: on("::1", 3),
        tcp_tls: None,
        websocket_tls: None,
        http_tls: None,
        websocket_path: Some("/rsocket".to_owned()),
        handshake_timeout: Duration::from_secs(18),
        tls_reload_interval: Duration::from_secs(19),
        runtime: RuntimeKind::Smol,
        demo: 4,
        log: "debug,hyper=warn".to_owned(),
        scrape_timeout: Duration::from_secs(5),
        scrape_timeout_max: Duration::from_secs(6),
        scrape_timeout_offset: Duration::from_millis(7),
        max_concurrent_scrapes: 8,
        max_http_connections: 9,
        max_connections: 10,
        max_text_bytes: 11 * 1024,
        max_series: 12,
        max_frame_bytes: 13 * 1024,
        setup_timeout: Duration::from_secs(14),
        key_bits: 3072,
        envelope: Envelope::Plaintext,
        max_held_pushes: 0,
        max_held_push_bytes: 16 << 20,
        push_ttl: Duration::from_secs(17 * 60),
        shutdown_timeout: Duration::ZERO,
    };

    let args: Vec<_> = settings.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    assert_eq!(accepted(&args, &[]), expected);

    let names = options().into_iter().map(|(name, _, env)| (name, env)).collect::<BTreeMap<_, _>>();
    let env: Vec<_> = settings.iter().map(|(name, value)| (&*names[*name], *value)).collect();
    assert_eq!(accepted(&[], &env), expected);
}

#[test]
fn every_option_is_in_the_help_under_a_default_or_without() {
    let args = Args::command();
    let visible = args.get_arguments().filter(|arg| !arg.is_hide_set());
    let names = visible.filter_map(|arg| arg.get_long());
    let mut names: Vec<_> = names.filter(|name| !["help", "version"].contains(name)).collect();
    let mut known: Vec<_> = options().into_iter().map(|(option, ..)| option).collect();
    known.extend(tls::options().into_iter().map(|(_, option, _)| option));
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn the_more_specific_source_wins() {
    let own_flag = ["--listen-tcp=a:1", "--micrometer.prometheus-proxy.tcp-port=2"];
    let own_env = ("PROMETHEUS_RSOCKET_PROXY_LISTEN_TCP", "c:3");
    let bound = ("MICROMETER_PROMETHEUSPROXY_TCPPORT", "4");
    let underscored = ("MICROMETER_PROMETHEUS_PROXY_TCP_PORT", "5");
    let env = [own_env, bound, underscored];
    assert_eq!(accepted(&own_flag, &env).listen_tcp, on("a", 1));
    assert_eq!(accepted(&own_flag[1..], &env).listen_tcp, on("0.0.0.0", 2));
    assert_eq!(accepted(&[], &env).listen_tcp, on("c", 3));
    assert_eq!(accepted(&[], &env[1..]).listen_tcp, on("0.0.0.0", 4));
    assert_eq!(accepted(&[], &env[2..]).listen_tcp, on("0.0.0.0", 5));
    assert_eq!(accepted(&["--demo=1"], &[("PROMETHEUS_RSOCKET_PROXY_DEMO", "2")]).demo, 1);
}

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
fn a_variable_that_is_not_needed_is_not_read() {
    let env = [("PROMETHEUS_RSOCKET_PROXY_DEMO", "nonsense"), ("PROMETHEUS_RSOCKET_PROXY_LOG", "")];
    assert_eq!(accepted(&["--demo=3"], &env).demo, 3);
    assert_eq!(accepted(&["--demo=3"], &env).log, "info");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let error = Config::from_args(["proxy"], |name| {
        (name == "SERVER_PORT").then(|| OsString::from_vec(vec![b'8', 0xff]))
    });
    assert!(error.unwrap_err().to_string().contains("SERVER_PORT: it is not UTF-8"));
}

#[test]
fn unknown_options_are_named() {
    refused(&["--listen-tpc=off"], &[], &["--listen-tpc"]);
    refused(&["stray"], &[], &["stray"]);
}

#[test]
fn help_and_version_are_no_errors() {
    assert_eq!(parse(&["--help"], &[]).unwrap_err().exit_code(), 0);
    assert_eq!(parse(&["--version"], &[]).unwrap_err().exit_code(), 0);
}

#[test]
fn settings_must_fit_together() {
    let too_long = ["--scrape-timeout=2m"];
    refused(&too_long, &[], &["--scrape-timeout 120s", "--scrape-timeout-max 60s"]);
    let nothing_left = ["--scrape-timeout=500ms"];
    refused(&nothing_left, &[], &["--scrape-timeout-offset 500ms", "--scrape-timeout 500ms"]);
    refused(&["--listen-tcp=off", "--listen-websocket=off", "--listen-http=off"], &[], &["off"]);
    let lowered = accepted(&["--scrape-timeout-max=4s"], &[]);
    assert_eq!(lowered.scrape_timeout, Duration::from_secs(4));
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
fn paths_of_websockets() {
    for path in ["/", "/rsocket", "/a/b-c_d.e~%20", "any"] {
        assert_eq!(value::websocket_path(path).as_deref(), Ok(path));
    }
    for path in ["", "rsocket", "ws://host/", "/a?b", "/a#b", "/a b", "/é", "ANY"] {
        assert!(value::websocket_path(path).is_err(), "{path}");
    }
    assert_eq!(accepted(&["--websocket-path=any"], &[]).websocket_path, None);
}

#[test]
fn times() {
    let millis = |text| value::duration(text).map(|d| d.as_millis());
    for (text, expected) in [
        ("0s", 0),
        ("10s", 10_000),
        ("500ms", 500),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1m1s1ms", 61_001),
        ("365d", 31_536_000_000),
    ] {
        assert_eq!(millis(text), Ok(expected), "{text}");
    }
    for text in [
        "",
        "10",
        "s",
        "-1s",
        "1.5s",
        "1 s",
        "10S",
        "1µs",
        "1s ",
        "365d1ms",
        "1h30",
        "é",
        "18446744073709551615d",
        "99999999999999999999s",
    ] {
        assert!(millis(text).is_err(), "{text}");
    }
    assert!(value::positive_duration("0ms").is_err());
}

#[test]
fn sizes() {
    for (text, expected) in [
        ("1", 1),
        ("16777215", 16_777_215),
        ("7B", 7),
        ("64KiB", 65_536),
        ("8MiB", 8_388_608),
        ("1GiB", 1 << 30),
    ] {
        assert_eq!(value::bytes(text), Ok(expected), "{text}");
    }
    for text in ["", "0", "MiB", "8MB", "8 MiB", "1.5MiB", "-1", "99999999999GiB", "8é"] {
        assert!(value::bytes(text).is_err(), "{text}");
    }
    assert_eq!(value::frame_bytes("16777215"), Ok(16_777_215));
    assert_eq!(value::frame_bytes("4096"), Ok(4096));
    assert!(value::frame_bytes("16777216").is_err());
    assert!(value::frame_bytes("4095").is_err());
}

#[test]
fn counts() {
    assert_eq!(value::count("0"), Ok(0));
    assert!(value::positive_count("0").is_err());
    assert!(value::count("4294967296").is_err());
    assert_eq!(value::demo_count("1000"), Ok(1000));
    assert!(value::demo_count("1001").is_err());
    assert!(value::key_bits("1024").is_err());
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

    #[test]
    fn no_value_panics(text in any::<String>()) {
        let _ = (text.parse::<ListenAddr>(), value::duration(&text), value::bytes(&text));
    }
}

/// Those with a default.
const FIELDS: usize = 25;

#[test]
fn example_applications_need_a_listener_without_tls() {
    let tls = ["--tcp-tls-cert=c", "--tcp-tls-key=k", "--demo=1"];
    assert_eq!(accepted(&tls, &[]).demo, 1);
    let none = [&tls[..], &["--listen-websocket=off"]].concat();
    refused(&none, &[], &["--demo 1", "--listen-tcp", "--listen-websocket"]);
}
