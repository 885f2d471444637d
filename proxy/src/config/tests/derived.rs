use super::accepted;
use prometheus_rsocket_protocol::exposition::{OnBadLine, Policy, ReservedNames};
use std::time::Duration;

#[test]
fn without_limits_only_the_length_of_the_text_counts() {
    let Policy { limits, on_bad_line, identity_labels, reserved } = accepted(&[], &[]).policy();
    assert_eq!(limits.max_text_len, 32 << 20);
    for limit in [limits.max_line_len, limits.max_labels, limits.max_series, limits.max_families] {
        assert!(limit >= limits.max_text_len);
    }
    assert_eq!(on_bad_line, OnBadLine::DropApplication);
    assert!(identity_labels.is_empty());
    assert_eq!(reserved, ReservedNames::default());
}

#[test]
fn the_longest_text_is_not_shorter_than_the_longest_frame() {
    let config = accepted(&[], &[]);
    assert!(config.open_limits().max_text_len > config.connection().max_payload_len);
}

#[test]
fn settings_reach_the_parts_that_they_are_for() {
    let config = accepted(
        &[
            "--max-text-bytes=1KiB",
            "--max-line-bytes=2",
            "--max-labels=3",
            "--max-series=4",
            "--max-families=5",
            "--identity-labels=b,a",
            "--reserved-names=",
            "--on-bad-line=drop-family",
            "--max-connections=6",
            "--max-gone-applications=7",
            "--app-grace=8s",
            "--max-concurrent-scrapes=9",
            "--max-held-pushes=10",
            "--max-held-push-bytes=11",
            "--push-ttl=12s",
            "--max-push-rate=21",
            "--max-frame-bytes=13KiB",
            "--setup-timeout=14s",
            "--envelope=plaintext",
            "--insecure-plaintext",
            "--scrape-timeout=15s",
            "--scrape-timeout-max=16s",
            "--scrape-timeout-offset=17ms",
            "--max-http-connections=18",
            "--handshake-timeout=19s",
            "--shutdown-timeout=20s",
        ],
        &[],
    );
    let policy = config.policy();
    assert_eq!(policy.limits.max_text_len, 1024);
    assert_eq!(policy.limits.max_line_len, 2);
    assert_eq!(policy.limits.max_labels, 3);
    assert_eq!(policy.limits.max_series, 4);
    assert_eq!(policy.limits.max_families, 5);
    assert_eq!(*policy.identity_labels, ["b".into(), "a".into()]);
    assert_eq!(policy.reserved, ReservedNames::new(["prometheus_proxy_*"]).unwrap());
    assert_eq!(policy.on_bad_line, OnBadLine::DropFamily);

    let collector = config.collector();
    assert_eq!(collector.max_connections, 6 + 256);
    assert_eq!(collector.max_gone, 7);
    assert_eq!(collector.grace, Duration::from_secs(8));
    assert_eq!(collector.max_scrapes, 18);
    assert_eq!(collector.max_pushes, 10);
    assert_eq!(collector.max_push_bytes, 11);
    assert_eq!(collector.max_app_push_bytes, 13 * 1024);
    assert_eq!((collector.app_push_rate, collector.app_push_burst), (21, 105));
    assert_eq!(collector.push_ttl, Duration::from_secs(12));

    let connection = config.connection();
    assert_eq!(connection.max_frame_len, 13 * 1024);
    assert_eq!(connection.max_payload_len, 13 * 1024);
    assert_eq!(connection.max_unfinished, 13 * 1024);
    assert_eq!(connection.setup_timeout, Duration::from_secs(14));

    assert_eq!(config.open_limits().max_text_len, 1024);
    assert!(config.open_limits().allow_plaintext);

    let timeouts = config.scrape_timeouts();
    assert_eq!(timeouts.default, Duration::from_secs(15));
    assert_eq!(timeouts.max, Duration::from_secs(16));
    assert_eq!(timeouts.offset, Duration::from_millis(17));

    let limits = config.http_limits();
    assert_eq!(limits.max_connections, 18);
    assert_eq!(limits.handshake_timeout, Duration::from_secs(19));
    assert_eq!(limits.shutdown_timeout, Duration::from_secs(20));
}
