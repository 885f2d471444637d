//! The file with settings.

use super::*;
use crate::config::settings;

/// Reads a file with this text.
fn with_file(text: &str, args: &[&str], env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = TextFile::new(text);
    parse(&[&["--config", file.path()], args].concat(), env)
}

#[track_caller]
fn refused_file(text: &str, parts: &[&str]) {
    let error = with_file(text, &[], &[]).expect_err("a bad file");
    assert_eq!(error.exit_code(), 2);
    let message = error.to_string();
    assert!(message.contains("config-"), "{message}");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
}

#[test]
fn a_file_sets_what_options_and_variables_leave_open() {
    let text = "max-connections = 1\nmax-labels = 2\napp-metrics = false\nidentity-labels = [\"a\", \"b\"]\n\
                max-text-bytes = \"1KiB\"\nmax-series = 0x10\npush-ttl = '5s'\nreserved-names = []\n";
    let env = [("PROMETHEUS_RSOCKET_PROXY_MAX_LABELS", "3"), ("PROMETHEUS_RSOCKET_PROXY_DEMO", "")];
    let config = with_file(text, &["--max-connections=4"], &env).unwrap();
    let expected = Config {
        max_connections: 4,
        max_labels: Some(3),
        app_metrics: false,
        identity_labels: vec!["a".to_owned(), "b".to_owned()],
        max_text_bytes: 1024,
        max_series: Some(16),
        push_ttl: Duration::from_secs(5),
        reserved_names: ReservedNames::new(["prometheus_proxy_*"]).unwrap(),
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn a_variable_names_the_file_where_no_option_does() {
    let file = TextFile::new("demo = 5");
    let env = [("PROMETHEUS_RSOCKET_PROXY_CONFIG", file.path())];
    assert_eq!(accepted(&[], &env).demo, 5);
    assert_eq!(accepted(&["--config", file.path()], &[]).demo, 5);
    assert_eq!(accepted(&[], &[("PROMETHEUS_RSOCKET_PROXY_CONFIG", "")]).demo, 0);
    refused(&["--config=/none.toml"], &env, &["/none.toml"]);
    refused(&["--config="], &[], &["--config"]);
}

#[test]
fn the_names_of_the_original_come_before_the_file_but_its_host_alone_does_not() {
    let text = "listen-http = \"a:1\"\nlisten-tcp = \"b:2\"";
    let env = [("SERVER_PORT", "3"), ("SERVER_ADDRESS", "c")];
    let config = with_file(text, &[], &env).unwrap();
    assert_eq!((config.listen_http, config.listen_tcp), (on("c", 3), on("b", 2)));
    assert_eq!(config.listen_websocket, on("c", 8081));
}

#[test]
fn each_mistake_is_told_with_its_line() {
    refused_file("\n\nmax-conections = 1", &["line 3", "\"max-conections\"", "max-connections"]);
    refused_file("max_series = 1", &["line 1", "max-series"]);
    refused_file("[limits]\nmax-series = 1", &["line 1", "\"limits\""]);
    refused_file("demo = 1\nmax-series = true", &["line 2", "max-series", "a number"]);
    refused_file("app-metrics = 1", &["line 1", "app-metrics", "true or false"]);
    refused_file("log = 1", &["line 1", "log must be a string"]);
    refused_file("log = [\"info\"]", &["line 1", "log must be a string"]);
    refused_file("identity-labels = [1]", &["line 1", "identity-labels", "a list"]);
    refused_file("identity-labels = [\"a,b\"]", &["line 1", "identity-labels", "commas"]);
    refused_file("\nmax-series = 0", &["line 2", "'0' for max-series", "it cannot be 0"]);
    refused_file("max-series = -1", &["line 1", "'-1' for max-series"]);
    refused_file("max-series = 99999999999999999999", &["line 1"]);
    refused_file("max-series = 1.5", &["line 1", "max-series", "a number"]);
    refused_file("demo = 1\n\ndemo = 2", &["line 3", "duplicate"]);
    refused_file("demo = 1\nlog = \"info", &["line 2"]);
    refused_file("listen-tcp = 7001", &["line 1", "listen-tcp must be a string"]);
    refused_file(&" ".repeat((1 << 20) + 1), &["1048576 bytes"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "max-series = 0\nmax-label = 1\nmax-families = true";
    let env = [("PROMETHEUS_RSOCKET_PROXY_DEMO", "x"), ("PROMETHEUS_RSOCKET_PROXY_DEMOS", "1")];
    let error = with_file(text, &[], &env).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 5, "{error}");
    let conflicts = ["--require-identity", "--max-memory=1MiB"];
    let error =
        with_file("scrape-timeout-offset = \"20s\"", &conflicts, &[]).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn a_key_that_is_misspelt_has_its_setting_as_the_nearest_name() {
    for setting in settings::all() {
        let name = setting.name();
        refused_file(&format!("{}{}x = 1", &name[..2], &name[2..]), &[&name]);
    }
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    refused(&["--config=/dev/zero"], &[], &["/dev/zero", "a device"]);
    refused(&["--config=/"], &[], &["a directory"]);
}

#[test]
fn files_that_are_named_are_checked_without_a_start() {
    let good = |name| format!("{}/../runtime/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"));
    let errors = |args: &[String]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        accepted(&args, &[]).check_files().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (certificate, key) = (good("server.pem"), good("server.key"));
    let tls = [format!("--tcp-tls-cert={certificate}"), format!("--tcp-tls-key={key}")];
    assert_eq!(errors(&tls), Vec::<String>::new());
    let file = TextFile::new("x = 1");
    let bad = file.path();
    let missing = [format!("--key-file={bad}.key"), format!("--push-dir={bad}.pushes")];
    assert_eq!(errors(&missing), Vec::<String>::new());
    assert!(!fs::exists(format!("{bad}.key")).unwrap());
    assert!(!fs::exists(format!("{bad}.pushes")).unwrap());
    let bad = [
        format!("--tcp-tls-cert={bad}.none"),
        format!("--tcp-tls-key={key}"),
        format!("--auth-file={bad}"),
        format!("--http-auth-file={bad}.yaml"),
        format!("--key-file={bad}"),
        format!("--push-dir={bad}"),
    ];
    let told = errors(&bad);
    assert_eq!(told.len(), 5, "{told:?}");
    let parts = [".none", "--auth-file", ".yaml", "--key-file", "--push-dir"];
    for (error, part) in told.iter().zip(parts) {
        assert!(error.contains(part), "no {part:?} in {error:?}");
    }
}
