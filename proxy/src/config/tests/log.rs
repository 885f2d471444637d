use super::{accepted, refused};
use crate::config::log::filter;

#[test]
fn levels_and_filters() {
    for text in [
        "off",
        "error",
        "warn",
        "info",
        "debug",
        "trace",
        "INFO",
        "info,hyper=debug",
        "hyper=off",
        "warn,prometheus_rsocket_proxy::http=trace",
        "info,[scrape]=debug",
        "info,hyper[conn{id=1}]=debug",
    ] {
        assert_eq!(filter(text).as_deref(), Ok(text));
    }
}

#[test]
fn an_unknown_level_is_an_error_that_names_the_levels() {
    for bad in [
        "verbose",
        "warning",
        "info,verbose",
        "hyper=verbose",
        "hyper",
        "info=info=info",
        "",
        "a b",
    ] {
        let error = filter(bad).unwrap_err();
        assert!(error.contains("off, error, warn, info, debug or trace"), "{bad:?}: {error}");
    }
    refused(&["--log", "verbose"], &[], &["--log", "verbose", "info, debug or trace"]);
    let env = "PROMETHEUS_RSOCKET_PROXY_LOG";
    refused(&[], &[(env, "verbose")], &[env, "verbose", "info, debug or trace"]);
}

#[test]
fn the_level_may_be_in_capitals() {
    assert_eq!(accepted(&["--log=DEBUG"], &[]).log, "DEBUG");
}
