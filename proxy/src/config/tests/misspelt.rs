use super::{accepted, options, parse, refused};

#[test]
fn a_misspelt_variable_is_an_error_with_the_nearest_name() {
    for (name, nearest) in [
        ("LSTEN_TCP", "LISTEN_TCP"),
        ("LISTEN_HTPP", "LISTEN_HTTP"),
        ("LOG_LEVEL", "LOG"),
        ("MAX_TEXT_BYTE", "MAX_TEXT_BYTES"),
        ("TCP_TLS_CRT", "TCP_TLS_CERT"),
        ("ADVERTISED_HTTP", "ADVERTISE_HTTP"),
        ("SCRAPE_TIMEOUT_MAXIMUM", "SCRAPE_TIMEOUT_MAX"),
    ] {
        let name = format!("PROMETHEUS_RSOCKET_PROXY_{name}");
        let error = parse(&[], &[(&name, "secret")]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        assert!(error.contains(&format!(" {name} ")), "{error}");
        assert!(error.ends_with(&format!(" PROMETHEUS_RSOCKET_PROXY_{nearest}")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn every_misspelt_variable_is_told() {
    let env = [
        ("PROMETHEUS_RSOCKET_PROXY_", "a"),
        ("PROMETHEUS_RSOCKET_PROXY_LOGS", ""),
        ("PROMETHEUS_RSOCKET_PROXY_PORT", "7001"),
        ("PROMETHEUS_RSOCKET_PROXY_HELP", "1"),
    ];
    refused(&[], &env, &env.map(|(name, _)| name));
    assert_eq!(parse(&[], &env).unwrap_err().to_string().lines().count(), env.len());
}

#[test]
fn other_variables_are_not_told() {
    let mut env = vec![
        ("PATH", "/usr/bin"),
        ("PROMETHEUS_RSOCKET_CLIENT_PROXI", "tcp://localhost"),
        ("SERVER_PORT", "8080"),
    ];
    env.push(("PROMETHEUS_RSOCKET_PROXY_TCP_TLS_CERT", ""));
    env.push(("PROMETHEUS_RSOCKET_PROXY_ADVERTISE_HTTP", "a:1"));
    let options = options();
    env.extend(options.iter().map(|(_, default, name)| (&**name, &**default)));
    assert_eq!(accepted(&[], &env).warnings, Vec::<String>::new());
}

#[test]
fn variables_that_kubernetes_sets_are_not_told() {
    for (_, _, env) in options() {
        let name = env.strip_prefix("PROMETHEUS_RSOCKET_PROXY_").unwrap();
        assert!(!name.starts_with("PORT") && !name.starts_with("SERVICE_"), "{env}");
    }
    // For a service with the program's name, and for one whose name begins with it.
    for service in ["PROMETHEUS_RSOCKET_PROXY", "PROMETHEUS_RSOCKET_PROXY_METRICS"] {
        let variables = [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "7001"),
            ("SERVICE_PORT_APPS", "7001"),
            ("PORT", "tcp://10.0.0.1:7001"),
            ("PORT_7001_TCP", "tcp://10.0.0.1:7001"),
            ("PORT_7001_TCP_ADDR", "10.0.0.1"),
            ("PORT_7001_TCP_PORT", "7001"),
            ("PORT_7001_TCP_PROTO", "tcp"),
            ("PORT_53_UDP", "udp://10.0.0.1:53"),
        ];
        let env = variables.map(|(name, value)| (format!("{service}_{name}"), value));
        let env: Vec<_> = env.iter().map(|(name, value)| (&**name, *value)).collect();
        assert_eq!(accepted(&[], &env), crate::config::Config::default());
    }
}
