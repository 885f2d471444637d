use super::{accepted, refused};

#[test]
fn who_is_required_to_show_credentials_needs_some_to_be_known() {
    let config = accepted(&["--auth-file=a.toml", "--require-identity"], &[]);
    assert!(config.require_identity && config.collector().admission);
    assert_eq!(config.auth_file.unwrap().to_str(), Some("a.toml"));
    let env = [
        ("PROMETHEUS_RSOCKET_PROXY_AUTH_FILE", "b.toml"),
        ("PROMETHEUS_RSOCKET_PROXY_REQUIRE_IDENTITY", "true"),
    ];
    assert!(accepted(&[], &env).require_identity);
    assert!(!accepted(&[], &[]).collector().admission);
    refused(&["--require-identity"], &[], &["--require-identity needs --auth-file"]);
    let demo = ["--require-identity", "--auth-file=a", "--demo=1"];
    refused(&demo, &[], &["--demo", "--require-identity"]);
}

#[test]
fn version_2_of_the_envelope_needs_a_key() {
    assert_eq!(accepted(&["--min-envelope=2"], &[]).collector().min_envelope, 2);
    refused(&["--min-envelope=3"], &[], &["--min-envelope", "it is 1 or 2"]);
}
