use super::*;
use crate::config::log;
use proptest::prelude::*;

#[test]
fn paths_of_websockets() {
    for path in ["/", "/rsocket", "/a/b-c_d.e~%20", "any"] {
        let expected = Some(path.to_owned()).filter(|path| path != "any");
        assert_eq!(value::websocket_path(path), Ok(expected));
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

#[test]
fn switches() {
    for (text, expected) in [("on", true), ("off", false), ("true", true), ("false", false)] {
        assert_eq!(value::switch(text), Ok(expected));
    }
    for text in ["", "ON", "yes", "1"] {
        assert!(value::switch(text).is_err(), "{text}");
    }
    assert!(accepted(&["--group-families"], &[]).group_families);
    assert!(!accepted(&["--group-families=false"], &[]).group_families);
    let env = [("PROMETHEUS_RSOCKET_PROXY_GROUP_FAMILIES", "true")];
    assert!(accepted(&[], &env).group_families);
    assert!(!accepted(&["--group-families=off"], &env).group_families);
    // What follows the option is not its value.
    refused(&["--group-families", "true"], &[], &["true"]);
}

#[test]
fn limits_that_there_may_not_be() {
    assert_eq!(value::limit_bytes("unlimited"), Ok(None));
    assert_eq!(value::limit_bytes("64KiB"), Ok(Some(65_536)));
    assert_eq!(value::limit_count("unlimited"), Ok(None));
    assert_eq!(value::limit_count("1"), Ok(Some(1)));
    for text in ["0", "", "none", "-1"] {
        assert!(value::limit_bytes(text).unwrap_err().ends_with(", or unlimited"), "{text}");
        assert!(value::limit_count(text).unwrap_err().ends_with(", or unlimited"), "{text}");
    }
}

#[test]
fn names_of_labels() {
    let names = |text| value::label_names(text).map(|names| names.join("+"));
    assert_eq!(names("application,instance").as_deref(), Ok("application+instance"));
    assert_eq!(names("a, b_2").as_deref(), Ok("a+b_2"));
    assert_eq!(names("none").as_deref(), Ok(""));
    for text in ["", "a,", "a,,b", "1a", "a-b", "__name__", "a,a", "é"] {
        assert!(names(text).is_err(), "{text}");
    }
    refused(&["--identity-labels=app-name"], &[], &["--identity-labels", "app-name"]);
}

proptest! {
    #[test]
    fn no_value_panics(text in any::<String>()) {
        let _ = (text.parse::<ListenAddr>(), value::duration(&text), value::bytes(&text));
        let _ = (value::host(&text), value::authority(&text), value::label_names(&text));
        let _ = (log::filter(&text), value::limit_bytes(&text));
    }
}
