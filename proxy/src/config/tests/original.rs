//! The original's settings beyond its ports.

use super::*;

/// Returns the warnings about settings of the original's.
fn warned(args: &[&str], env: &[(&str, &str)]) -> (Config, Vec<String>) {
    let mut config = accepted(args, env);
    let warnings = std::mem::take(&mut config.warnings);
    (config, warnings)
}

#[test]
fn options_of_the_java_image_are_taken_with_one_sentence_each() {
    let args = [
        "-cpus",
        "2",
        "-Xmx512m",
        "-Dfoo=bar",
        "--spring.main.banner-mode=off",
        "--management.endpoints.web.exposure.include=*",
        "--server.compression.enabled=true",
        "--spring.flag",
        "--server.port=9090",
    ];
    let (config, warnings) = warned(&args, &[]);
    assert_eq!(config.listen_http, on("0.0.0.0", 9090));
    assert_eq!(config, Config { listen_http: config.listen_http.clone(), ..Config::default() });
    assert_eq!(warnings.len(), 7, "{warnings:?}");
    for (warning, part) in warnings.iter().zip(["-cpus 2", "-Xmx512m", "-Dfoo"]) {
        assert!(warning.contains(part) && warning.contains("no effect"), "{warning}");
    }
    // Arguments that only look like them are still refused.
    refused(&["--log.level"], &[], &[]);
    refused(&["--", "-cpus"], &[], &["-cpus"]);
    refused(&["-c"], &[], &["-c"]);
}

#[test]
fn levels_of_logging_become_a_filter() {
    for (args, env, log) in [
        (&["--logging.level.root=DEBUG"][..], &[][..], "debug"),
        (&[], &[("LOGGING_LEVEL_ROOT", "warn")], "warn"),
        (
            &[],
            &[("LOGGING_LEVEL_IO_MICROMETER_PROMETHEUS", "TRACE")],
            "info,prometheus_rsocket=trace",
        ),
        (&["--logging.level.root=OFF"], &[("LOGGING_LEVEL_ROOT", "warn")], "off"),
        (&["--logging.level.root=fatal"], &[], "error"),
        // Names of this program take precedence.
        (&["--logging.level.root=DEBUG", "--log=error"], &[], "error"),
        (&["--logging.level.root=DEBUG"], &[("PROMETHEUS_RSOCKET_PROXY_LOG", "trace")], "trace"),
        // Not a level, and not a class of ours.
        (&["--logging.level.root=loud"], &[], "info"),
        (&[], &[("LOGGING_LEVEL_REACTOR_NETTY", "debug")], "info"),
    ] {
        let (config, warnings) = warned(args, env);
        assert_eq!(config.log, log, "{args:?} {env:?}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }
}

#[test]
fn pem_files_of_spring_become_those_of_http() {
    let env = [
        ("SERVER_SSL_CERTIFICATE", "file:/tls/tls.crt"),
        ("SERVER_SSL_CERTIFICATE_PRIVATE_KEY", "/tls/tls.key"),
    ];
    let own = ["--http-tls-cert=/tls/tls.crt", "--http-tls-key=/tls/tls.key"];
    let (config, warnings) = warned(&[], &env);
    assert_eq!(config, accepted(&own, &[]));
    assert!(warnings[0].contains("--http-tls-cert /tls/tls.crt"), "{warnings:?}");
    let args = [
        "--server.ssl.certificate=/tls/tls.crt",
        "--server.ssl.certificate-private-key=/tls/tls.key",
    ];
    assert_eq!(warned(&args, &[]).0, accepted(&own, &[]));
    assert_eq!(warned(&args, &[("SERVER_SSL_ENABLED", "false")]).0, Config::default());
    let client = ["--server.ssl.trust-certificate=/ca.pem", "--server.ssl.client-auth=want"];
    let own_client = ["--http-tls-client-ca=/ca.pem", "--http-tls-client-auth=optional"];
    let (args, own) = ([&args[..], &client].concat(), [&own[..], &own_client].concat());
    assert_eq!(warned(&args, &[]).0, accepted(&own, &[]));
    let (config, warnings) = warned(&[], &[("SERVER_SSL_KEY_STORE_PASSWORD", "s3cret")]);
    assert_eq!(config, Config::default());
    assert!(warnings[0].contains("PEM") && !warnings[0].contains("s3cret"), "{warnings:?}");
}

#[test]
fn json_of_spring_is_read_for_what_is_known() {
    let json = r#"{"server": {"port": 9090, "address": "127.0.0.1"}, "micrometer.prometheus-proxy": {"tcpPort": "7"},
        "logging": {"level": {"root": "debug"}}, "spring.application.name": "p", "a": null}"#;
    let env = [("SPRING_APPLICATION_JSON", json), ("SERVER_PORT", "1")];
    let (config, warnings) = warned(&[], &env);
    assert_eq!(config.listen_http, on("127.0.0.1", 9090));
    assert_eq!(config.listen_tcp, on("127.0.0.1", 7));
    assert_eq!(config.log, "debug");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(warned(&["--server.port=5"], &env).0.listen_http, on("127.0.0.1", 5));
    refused(&[], &[("SPRING_APPLICATION_JSON", "{")], &["SPRING_APPLICATION_JSON", "line 1"]);
    let deep = "[".repeat(100_000);
    refused(&[], &[("SPRING_APPLICATION_JSON", &deep)], &["SPRING_APPLICATION_JSON"]);
}

#[test]
fn what_may_be_a_secret_is_not_told() {
    let args = ["--spring.datasource.password=s3cret", "-Djavax.net.ssl.keyStorePassword=s3cret"];
    let env = [("SERVER_SSL_KEY_PASSWORD", "s3cret"), ("SERVER_SSL_KEY_STORE_PASSWORD", "s3cret")];
    let (_, warnings) = warned(&args, &env);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings.iter().all(|warning| !warning.contains("s3cret")), "{warnings:?}");
    let json = [("SPRING_APPLICATION_JSON", r#"{"password": "s3cret", "#)];
    let error = parse(&[], &json).unwrap_err().to_string();
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn variables_of_a_jvm_are_nobodys_business() {
    let env = [
        ("JAVA_TOOL_OPTIONS", "-Xmx1g"),
        ("BPL_JVM_THREAD_COUNT", "50"),
        ("SPRING_PROFILES_ACTIVE", "x"),
    ];
    assert_eq!(accepted(&[], &env), Config::default());
}
