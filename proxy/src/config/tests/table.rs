//! The table of settings, and what is generated from it.

use super::*;
use crate::config::settings;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

#[test]
fn every_setting_has_a_help_and_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for setting in settings::all() {
        assert!(setting.help.iter().any(|line| !line.trim().is_empty()), "{}", setting.name());
        assert!(names.insert(setting.name()), "{} is there twice", setting.name());
        assert!(!["", "config", "check-config", "print-config"].contains(&&*setting.name()));
    }
    // Settings with a default, settings of TLS, and five that name a file or an address.
    assert_eq!(names.len(), FIELDS + 12 + 5);
}

#[test]
fn a_default_is_read_as_it_is_shown() {
    for setting in settings::all() {
        let Some(default) = (setting.show)(&Config::default()) else { continue };
        let mut draft = settings::Draft::default();
        (setting.set)(&mut draft, &default).unwrap();
        assert_eq!(draft.config, Config::default(), "{} {default}", setting.name());
    }
}

/// Returns valid values of a setting.
fn values(name: &str) -> &'static [&'static str] {
    match name {
        "runtime" => &["tokio", "smol"],
        "log" => &["debug,hyper=warn", "info,[scrape{peer=\"a b\"}]=debug"],
        "log-format" => &["json"],
        "listen-tcp" => &["off", "[::1]:0", "localhost:7"],
        "listen-websocket" | "listen-http" | "listen-admin" => &["127.0.0.1:0", "off"],
        "websocket-path" => &["/rsocket", "any"],
        "advertise-http" => &["[::1]:8080"],
        "proxy-protocol" => &["off", "optional"],
        "trusted-proxies" => &["10.0.0.0/8,::1/128"],
        "identity-labels" => &["a", "a,b"],
        "reserved-names" => &["none", "up", "up,a_*"],
        "inject-identity" => &["always", "never"],
        "on-bad-line" => &["drop-family"],
        "push-keep" => &["all"],
        "rsa-backend" => &["rust", "openssl"],
        "envelope" => &["encrypted"],
        "key-rotation" => &["1h", "1d1h1m1s1ms", "unlimited"],
        "max-connection-age" => &["1ms", "unlimited"],
        "key-bits" => &["4096"],
        "gzip-level" => &["1", "9"],
        "min-envelope" => &["2"],
        "demo" => &["0", "7"],
        "max-memory" => &["1GiB", "17MiB"],
        "max-text-bytes" | "max-held-push-bytes" => &["1", "1023", "3KiB", "1GiB"],
        "max-line-bytes" => &["1", "1KiB", "unlimited"],
        "max-labels" | "max-series" | "max-families" => &["1", "4294967295", "unlimited"],
        "max-frame-bytes" => &["4KiB", "16777215"],
        "app-metrics" => &["off", "on"],
        "group-families" | "insecure-plaintext" => &["true", "false"],
        "require-identity" => &["false"],
        "scrape-timeout" => &["5s", "1m"],
        "scrape-timeout-max" => &["1m", "1h1ms"],
        "scrape-timeout-offset" => &["0s", "4s999ms"],
        _ if name.ends_with("-client-auth") => &["optional", "required"],
        _ if name.ends_with("-file") || name.contains("-tls-") || name.ends_with("-dir") => {
            &["/etc/a b/\"c\".pem", "\\\u{7f}\n\u{1}é#"]
        }
        _ if name.starts_with("max-") => &["1", "77"],
        _ => &["1s", "1ms", "1d", "1h30m"],
    }
}

proptest! {
    #[test]
    fn a_printed_configuration_is_read_as_the_same(
        choices in proptest::collection::vec(any::<Option<prop::sample::Index>>(), FIELDS + 17),
    ) {
        let args = settings::all().zip(choices).filter_map(|(setting, choice)| {
            let value = choice?.get(values(&setting.name()));
            Some(format!("--{}={value}", setting.name()))
        });
        let args: Vec<String> = args.collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let Ok(loaded) = load(&args, &[]) else {
            // They do not fit together.
            return Ok(());
        };
        let file = TextFile::new(&loaded.to_string());
        let config = accepted(&["--config", file.path()], &[]);
        prop_assert_eq!(config, loaded.config);
    }
}

#[test]
fn each_value_of_each_setting_is_printed_as_it_is_read() {
    let mut count = 0;
    for setting in settings::all() {
        for value in values(&setting.name()) {
            let config = match setting.heading {
                settings::TLS if setting.name() != "tls-reload-interval" => {
                    let listener = setting.field.split('_').next().unwrap();
                    let mut args = String::new();
                    for option in ["cert", "key", "client-ca"] {
                        if !setting.name().ends_with(option) {
                            write!(args, "--{listener}-tls-{option}=x|").unwrap();
                        }
                    }
                    write!(args, "--{}={value}", setting.name()).unwrap();
                    accepted(&args.split('|').collect::<Vec<_>>(), &[])
                }
                _ => {
                    let mut draft = settings::Draft::default();
                    (setting.set)(&mut draft, value).unwrap();
                    draft.config
                }
            };
            assert_eq!((setting.show)(&config).as_deref(), Some(*value), "{}", setting.name());
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn what_is_printed_says_where_it_is_from() {
    let file = TextFile::new("\nmax-series = 5\npush-ttl = \"1m\"\n");
    let file = file.path();
    let env = [
        ("PROMETHEUS_RSOCKET_PROXY_PUSH_TTL", "2m"),
        ("SERVER_PORT", "81"),
        ("LOGGING_LEVEL_ROOT", "debug"),
    ];
    let printed = load(&["--demo=3", "--config", file], &env).unwrap().to_string();
    for line in [
        "demo = 3  # option --demo; needs a restart".to_owned(),
        format!("max-series = 5  # {file:?}, line 2"),
        "push-ttl = \"2m\"  # environment variable PROMETHEUS_RSOCKET_PROXY_PUSH_TTL".to_owned(),
        "listen-http = \"0.0.0.0:81\"  # environment variable SERVER_PORT; needs a restart"
            .to_owned(),
        "log = \"debug\"  # a setting of the Java proxy".to_owned(),
        "max-labels = \"unlimited\"  # default".to_owned(),
        "app-metrics = true  # default".to_owned(),
        "identity-labels = []  # default".to_owned(),
        "# auth-file is not set".to_owned(),
    ] {
        assert!(printed.lines().any(|found| found == line), "no {line:?} in {printed}");
    }
}

/// Each setting with a value other than its default, which fits the defaults of all others.
fn changed() -> impl Iterator<Item = (&'static settings::Setting, Config)> {
    let tls = |setting: &settings::Setting| setting.field.contains("_tls_");
    let all = settings::all().filter(move |setting| !tls(setting));
    all.filter_map(|setting| {
        let default = (setting.show)(&Config::default());
        let value =
            values(&setting.name()).iter().find(|value| default.as_deref() != Some(value))?;
        let mut draft = settings::Draft::default();
        (setting.set)(&mut draft, value).unwrap();
        let is_good = draft.config.conflicts().is_empty();
        (is_good && draft.config != Config::default()).then_some((setting, draft.config))
    })
}

#[test]
fn what_is_live_is_taken_over_and_what_takes_a_restart_is_not() {
    let (mut live, mut restart) = (0, 0);
    for (setting, other) in changed() {
        let start = Config::default();
        let changes = start.changes(&other);
        assert_eq!(changes.len(), 1, "{}", setting.name());
        assert_eq!(changes[0].name, setting.name());
        let adopted = start.adopt(&other).unwrap();
        match changes[0].is_live {
            true => assert_eq!(adopted, other, "{}", setting.name()),
            false => assert_eq!(adopted, start, "{}", setting.name()),
        }
        live += usize::from(changes[0].is_live);
        restart += usize::from(!changes[0].is_live);
        assert!(start.changes(&start).is_empty());
    }
    assert!(live >= 30 && restart >= 15, "{live} {restart}");
}

#[test]
fn what_does_not_fit_what_takes_a_restart_is_an_error() {
    // After a restart, the file would be there.
    let running = Config::default();
    let read = accepted(&["--require-identity", "--auth-file=a"], &[]);
    let error = running.adopt(&read).unwrap_err().to_string();
    assert!(error.contains("--require-identity needs --auth-file"), "{error}");
}
