use super::ExpositionErrorKind as Kind;
use super::*;
use proptest::prelude::*;

fn checked(text: &str) -> Result<Checked, ExpositionError> {
    check(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
}

#[track_caller]
fn accepts(text: &str, series: usize) {
    let checked = checked(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(checked.series, series, "{text:?}");
}

#[track_caller]
fn refuses(text: &str, line: usize, kind: Kind) {
    assert_eq!(checked(text), Err(ExpositionError { line, kind }), "{text:?}");
}

#[test]
fn what_prometheus_reads_is_accepted() {
    accepts("", 0);
    accepts("\n \t\n", 0);
    accepts("a 1", 1);
    accepts("  a 1\n\tb 2\n", 2);
    accepts("# HELP a what a is\n# HELP a again\n# TYPE a counter\na 1\n# TYPE a counter\n", 1);
    accepts("# HELP a\na 1\n", 1);
    accepts("#comment\n# comment\n#TYPE a rubbish\n# UNIT a seconds\n##\n#\n# TYPEx\n", 0);
    accepts("a{} 1\na{b=\"c\"} 1\na{b=\"c\",} 1\na { b = \"c\" , d=\"\" , } 1\na{b=\"c\"}1\n", 5);
    accepts("a:b_C9{le=\"+Inf\",x=\"}\\\"\\\\\\n,=\"} 1\n", 1);
    accepts("{\"my.metric\"} 1\n{\"my.metric\",\"a.label\"=\"b\",c=\"d\"} 1\n", 2);
    accepts("# TYPE \"my.metric\" gauge\n", 0);
    accepts("a{b=\"µs\u{2028}\"} 1\n", 1);
    for value in
        ["1", "-1", "+1", "1.", ".5", "1e9", "1E-9", "NaN", "nan", "Inf", "+Inf", "-inf", "0"]
    {
        accepts(&format!("a {value}\n"), 1);
    }
    accepts("a 1 1395066363000\na 1\t0  \n", 2);
}

#[test]
fn what_would_cost_the_whole_scrape_is_refused() {
    refuses("a 1\nb\n", 2, Kind::Value);
    refuses("1a 1\n", 1, Kind::Name);
    refuses("a-b 1\n", 1, Kind::Value);
    refuses("a{b=\"c} 1\n", 1, Kind::Unterminated);
    refuses("a{b=\"c\\\n\"} 1\n", 1, Kind::Unterminated);
    refuses("a{b} 1\n", 1, Kind::Labels { expected: "=" });
    refuses("a{b=c} 1\n", 1, Kind::Labels { expected: "a quoted value" });
    refuses("a{b=\"c\" d=\"e\"} 1\n", 1, Kind::Labels { expected: "a comma or a closing brace" });
    refuses("a{,} 1\n", 1, Kind::Labels { expected: "a label's name" });
    refuses("a{b:c=\"d\"} 1\n", 1, Kind::Labels { expected: "=" });
    refuses("{b=\"c\"} 1\n", 1, Kind::Name);
    refuses("a{\"b\"} 1\n", 1, Kind::Labels { expected: "=" });
    for value in ["x", "0x1p3", "1_000", "1e999", "+NaN", "-nan", "1,5", "--1", "infinityx", "1\r"]
    {
        refuses(&format!("a {value}\n"), 1, Kind::Value);
    }
    refuses("a 1 x\n", 1, Kind::Timestamp);
    refuses("a 1 1.5\n", 1, Kind::Timestamp);
    refuses("a 1 99999999999999999999\n", 1, Kind::Timestamp);
    refuses("a 1 1 1\n", 1, Kind::Trailing);
    refuses("a 1 # {trace_id=\"x\"} 1\n", 1, Kind::Exemplar);
    refuses("a 1 5 # {trace_id=\"x\"} 1\n", 1, Kind::Exemplar);
    for kind in ["unknown", "info", "stateset", "gaugehistogram", "Counter", ""] {
        refuses(&format!("# TYPE a {kind}\n"), 1, Kind::Type);
    }
    refuses("# TYPE a counter x\n", 1, Kind::Type);
    refuses("# HELP 1a x\n", 1, Kind::Name);
    refuses("# TYPE a{ counter\n", 1, Kind::Name);
    refuses("a 1\n\0 b 2\n", 2, Kind::Nul);
    refuses("# \0\n", 1, Kind::Nul);
}

#[test]
fn what_is_joined_ends_in_a_line_feed_and_has_no_end_mark() {
    for (text, clean) in [
        ("a 1", "a 1\n"),
        ("a 1\n# EOF\n", "a 1\n"),
        ("a 1\n# EOF", "a 1\n"),
        ("# EOF\na 1", "a 1\n"),
        ("a 1\n#  EOF \nb 2\n# EOF\nc 3\n", "a 1\nb 2\nc 3\n"),
        ("# EOF", ""),
    ] {
        assert_eq!(checked(text).unwrap().text, clean, "{text:?}");
    }
}

#[test]
fn an_unchanged_text_is_not_copied() {
    let text = Bytes::from_static(b"a 1\n");
    let checked = check(text.clone(), &Limits::default()).unwrap();
    assert_eq!(checked.text.as_ptr(), text.as_ptr());
}

#[test]
fn limits_hold_at_their_edge() {
    let limits = Limits { max_series: 2, max_line_len: 4 };
    let check = |text: &'static str| check(Bytes::from_static(text.as_bytes()), &limits);
    assert_eq!(check("a 1\nb 2\n").unwrap().series, 2);
    assert_eq!(check("a 1\nb 2\nc 3\n").unwrap_err().kind, Kind::TooManySeries { limit: 2 });
    assert!(check("a 12\n").is_ok());
    let error = check("a 1\na 123").unwrap_err();
    assert_eq!(error, ExpositionError { line: 2, kind: Kind::LineTooLong { limit: 4 } });
    assert_eq!(error.to_string(), "line 2: longer than 4 bytes");
}

#[test]
fn a_scrape_of_micrometer_is_accepted() {
    let vector = include_str!("../../tests/vectors/scrape.tsv");
    let hex = vector.lines().find_map(|line| line.strip_prefix("PLAIN_UTF8\t")).unwrap();
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let text: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
    let checked = check(text.clone().into(), &Limits::default()).unwrap();
    assert_eq!((checked.series, checked.families), (6, 1));
    assert_eq!(checked.text, text);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<Vec<u8>>()) {
        let _ = check(text.into(), &Limits::default());
    }

    #[test]
    fn no_text_of_the_formats_own_characters_panics(text in r#"[a-z#"\\{}=, \n0-9+.\t]{0,200}"#) {
        if let Ok(checked) = checked(&text) {
            prop_assert!(checked.text.is_empty() || checked.text.ends_with(b"\n"));
            // What was accepted is accepted again, unchanged.
            let again = check(checked.text.clone(), &Limits::default()).unwrap();
            prop_assert_eq!(again, checked);
        }
    }

    #[test]
    fn every_label_value_can_be_written(value in "\\PC*", number in any::<f64>()) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let number = if number.is_nan() { "NaN".to_owned() } else { number.to_string() };
        let text = format!("a{{b=\"{escaped}\"}} {number}\n");
        prop_assert_eq!(checked(&text).unwrap().series, 1);
    }
}
