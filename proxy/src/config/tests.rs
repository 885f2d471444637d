mod auth;
mod derived;
mod file;
mod listeners;
mod log;
mod misspelt;
mod original;
mod table;
mod tls;
mod values;

use super::*;
use prometheus_rsocket_protocol::exposition::{Inject, OnBadLine, ReservedNames};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, process};

fn parse(args: &[&str], env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Ok(load(args, env)?.config)
}

fn load(args: &[&str], env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let args = ["prometheus-rsocket-proxy"].iter().chain(args).map(OsString::from);
    Sources::new(args, env)?.load()
}

/// A file with a text. Dropping this removes it.
struct TextFile(PathBuf);

impl TextFile {
    fn new(text: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("config-{}-{number}.toml", process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[track_caller]
fn accepted(args: &[&str], env: &[(&str, &str)]) -> Config {
    parse(args, env).unwrap_or_else(|error| panic!("{error}"))
}

/// The message must contain each of `parts`.
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

/// For each setting: the option, the default as its help shows it, and its own variable.
fn options() -> Vec<(String, String, String)> {
    let args = Config::command();
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
        // No option accepts this value.
        let bad = "non sense";
        refused(&[], &[(&env, bad)], &[&env, bad]);
        refused(&[&format!("--{option}={bad}")], &[], &[&format!("--{option}"), bad]);
    }
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
        ("proxy-protocol", "required"),
        ("trusted-proxies", "10.0.0.0/8,::1"),
        ("runtime", "smol"),
        ("demo", "4"),
        ("log", "debug,hyper=warn"),
        ("log-format", "json"),
        ("scrape-timeout", "5s"),
        ("scrape-timeout-max", "6s"),
        ("scrape-timeout-offset", "7ms"),
        ("max-concurrent-scrapes", "8"),
        ("max-http-connections", "9"),
        ("app-metrics", "off"),
        ("gzip-level", "9"),
        ("group-families", "true"),
        ("max-connections", "10"),
        ("app-grace", "20s"),
        ("max-gone-applications", "21"),
        ("identity-labels", "application,instance"),
        ("inject-identity", "never"),
        ("on-bad-line", "drop-family"),
        ("reserved-names", "secret_*, up"),
        ("max-line-bytes", "22KiB"),
        ("max-labels", "23"),
        ("max-families", "24"),
        ("max-text-bytes", "11KiB"),
        ("max-series", "12"),
        ("max-frame-bytes", "13KiB"),
        ("setup-timeout", "14s"),
        ("key-bits", "3072"),
        ("rsa-backend", "openssl"),
        ("envelope", "encrypted"),
        ("listen-admin", "127.0.0.1:4"),
        ("require-identity", "false"),
        ("min-envelope", "2"),
        ("key-rotation", "90m"),
        ("insecure-plaintext", "true"),
        ("max-held-pushes", "0"),
        ("max-held-push-bytes", "16MiB"),
        ("max-push-rate", "25"),
        ("push-keep", "all"),
        ("push-ttl", "17m"),
        ("max-memory", "512MiB"),
        ("max-connection-age", "1h"),
        ("drain-delay", "5s"),
        ("drain-spread", "6s"),
        ("push-linger", "7s"),
        ("shutdown-timeout", "0s"),
    ];
    assert_eq!(settings.len(), FIELDS);
    let expected = Config {
        listen_tcp: on("127.0.0.1", 1),
        listen_websocket: ListenAddr::Off,
        listen_http: on("::1", 3),
        advertise_http: None,
        tcp_tls: None,
        websocket_tls: None,
        http_tls: None,
        websocket_path: Some("/rsocket".to_owned()),
        handshake_timeout: Duration::from_secs(18),
        proxy_protocol: ProxyProtocol::Required,
        trusted_proxies: "10.0.0.0/8,::1".parse().unwrap(),
        tls_reload_interval: Duration::from_secs(19),
        runtime: RuntimeKind::Smol,
        demo: 4,
        log: "debug,hyper=warn".to_owned(),
        log_format: LogFormat::Json,
        scrape_timeout: Duration::from_secs(5),
        scrape_timeout_max: Duration::from_secs(6),
        scrape_timeout_offset: Duration::from_millis(7),
        max_concurrent_scrapes: 8,
        max_http_connections: 9,
        app_metrics: false,
        gzip_level: 9,
        group_families: true,
        max_connections: 10,
        max_turned_away: 256,
        app_grace: Duration::from_secs(20),
        max_gone_applications: 21,
        identity_labels: vec!["application".to_owned(), "instance".to_owned()],
        inject_identity: Inject::Never,
        on_bad_line: OnBadLine::DropFamily,
        reserved_names: ReservedNames::new(["secret_*", "up", "prometheus_proxy_*"]).unwrap(),
        max_line_bytes: Some(22 * 1024),
        max_labels: Some(23),
        max_families: Some(24),
        max_text_bytes: 11 * 1024,
        max_series: Some(12),
        max_frame_bytes: 13 * 1024,
        setup_timeout: Duration::from_secs(14),
        key_bits: 3072,
        rsa_backend: RsaBackend::OpenSsl,
        envelope: Envelope::Encrypted,
        auth_file: None,
        http_auth_file: None,
        listen_admin: on("127.0.0.1", 4),
        require_identity: false,
        min_envelope: 2,
        insecure_plaintext: true,
        key_file: None,
        key_rotation: Some(Duration::from_secs(90 * 60)),
        max_held_pushes: 0,
        max_held_push_bytes: 16 << 20,
        max_push_rate: 25,
        max_memory: 512 << 20,
        max_connection_age: Some(Duration::from_secs(3600)),
        drain_delay: Duration::from_secs(5),
        drain_spread: Duration::from_secs(6),
        push_linger: Duration::from_secs(7),
        push_keep: PushKeep::All,
        push_dir: None,
        push_ttl: Duration::from_secs(17 * 60),
        shutdown_timeout: Duration::ZERO,
        warnings: Vec::new(),
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
    let args = Config::command();
    let visible = args.get_arguments().filter(|arg| !arg.is_hide_set());
    let names = visible.filter_map(|arg| arg.get_long());
    let mut names: Vec<_> = names
        .filter(|name| {
            !["help", "version", "config", "check-config", "print-config"].contains(name)
        })
        .collect();
    let mut known: Vec<_> = options().into_iter().map(|(option, ..)| option).collect();
    known.extend(tls::options().into_iter().map(|(_, option, _)| option));
    known.extend(
        ["advertise-http", "auth-file", "http-auth-file", "key-file", "push-dir"]
            .map(str::to_owned),
    );
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
fn a_variable_that_is_not_needed_is_not_read() {
    let env = [("PROMETHEUS_RSOCKET_PROXY_DEMO", "nonsense"), ("PROMETHEUS_RSOCKET_PROXY_LOG", "")];
    assert_eq!(accepted(&["--demo=3"], &env).demo, 3);
    assert_eq!(accepted(&["--demo=3"], &env).log, "info");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let env = [("SERVER_PORT".into(), OsString::from_vec(vec![b'8', 0xff]))];
    let error = Config::from_args(["proxy"], env);
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
    let nobody = ["--proxy-protocol=optional"];
    refused(&nobody, &[], &["--proxy-protocol optional", "--trusted-proxies"]);
    refused(&["--listen-tcp=off", "--listen-websocket=off", "--listen-http=off"], &[], &["off"]);
    let lowered = accepted(&["--scrape-timeout-max=4s"], &[]);
    assert_eq!(lowered.scrape_timeout, Duration::from_secs(4));
}

#[test]
fn a_directory_for_pushes_is_taken_as_it_is() {
    let is = |config: Config| config.push_dir.unwrap().into_os_string();
    assert_eq!(is(accepted(&["--push-dir=/var/lib/x y"], &[])), "/var/lib/x y");
    assert_eq!(is(accepted(&[], &[("PROMETHEUS_RSOCKET_PROXY_PUSH_DIR", "a")])), "a");
    refused(&["--push-dir="], &[], &["--push-dir"]);
}

/// Settings with a default.
const FIELDS: usize = 53;

#[test]
fn example_applications_need_a_listener_without_tls() {
    let tls = ["--tcp-tls-cert=c", "--tcp-tls-key=k", "--demo=1"];
    assert_eq!(accepted(&tls, &[]).demo, 1);
    let none = [&tls[..], &["--listen-websocket=off"]].concat();
    refused(&none, &[], &["--demo 1", "--listen-tcp", "--listen-websocket"]);
}

#[test]
fn plaintext_needs_tls_or_loopback_where_nobody_insists() {
    fn plaintext<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["--envelope=plaintext"], more].concat()
    }
    let refused = |more: &[&str], what: &str| {
        let error = Config::from_args(
            [&["proxy"], &*plaintext(more)].concat(),
            std::iter::empty::<(OsString, OsString)>(),
        );
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(what), "{error}");
    };
    let tls = ["--tcp-tls-cert=c", "--tcp-tls-key=k"];
    refused(&[], "--listen-tcp 0.0.0.0:7001");
    refused(&tls, "--listen-websocket 0.0.0.0:8081");
    refused(
        &["--listen-tcp=127.0.0.1:1", "--listen-websocket=[::]:2"],
        "--listen-websocket [::]:2",
    );
    for allowed in [
        &["--insecure-plaintext"][..],
        &["--listen-tcp=127.0.0.9:1", "--listen-websocket=[::1]:2"],
        &["--listen-tcp=localhost:1", "--listen-websocket=off"],
        &[tls[0], tls[1], "--listen-websocket=off"],
    ] {
        assert_eq!(accepted(&plaintext(allowed), &[]).envelope, Envelope::Plaintext);
    }
    for conflict in ["--min-envelope=2", "--key-file=k", "--key-rotation=1h"] {
        let option = conflict.split('=').next().unwrap();
        refused(&["--insecure-plaintext", conflict], option);
    }
    refused(&["--key-rotation=9s"], "at least 10s");
}
