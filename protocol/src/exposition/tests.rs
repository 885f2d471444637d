use super::ExpositionErrorKind as Kind;
use super::*;
use proptest::prelude::*;

/// The text in a scrape answer that a JDK made.
const SCRAPE: &str = prometheus_rsocket_testkit::vectors::SCRAPE;

fn checked(text: &str) -> Result<Checked, ExpositionError> {
    check(text.to_owned(), &Limits::default())
}

/// Accepted, and left as it is.
#[track_caller]
fn accept(text: &str) -> Checked {
    let checked = checked(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(checked.text, text);
    checked
}

/// Accepted, and changed into this.
#[track_caller]
fn clean(text: &str, into: &str) {
    let checked = checked(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(checked.text, into, "{text:?}");
}

#[track_caller]
fn refuse(text: &str, line: usize, column: usize, kind: Kind) {
    let error = checked(text).expect_err(text);
    assert_eq!(error, ExpositionError { line, column, kind }, "{text:?}");
}

#[test]
fn the_text_of_a_java_client_is_accepted() {
    let hex = SCRAPE.lines().find_map(|line| line.strip_prefix("PLAIN_UTF8\t")).unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let text: Bytes = (0..hex.len()).step_by(2).map(byte).collect();
    let checked = check(text.clone(), &Limits::default()).unwrap();
    assert_eq!((checked.series, checked.families), (6, 1));
    assert_eq!(checked.text.as_ptr(), text.as_ptr(), "not copied");
}

#[test]
fn what_is_found_is_counted() {
    let text = concat!(
        "# HELP a help\n# TYPE a counter\na 1\na{b=\"c\"} 2 1700000000000\n",
        "# TYPE \"b.c\" gauge\n{\"b.c\"} 3\n{\"b.c\",\"l.m\"=\"n\"} 4 5\n# comment\n\nd{\"l.m\"=\"n\"} 1\n"
    );
    let expected = Checked {
        text: Bytes::from(text),
        series: 5,
        families: 2,
        quoted_series: 3,
        timestamped_series: 2,
    };
    assert_eq!(accept(text), expected);
    assert_eq!(accept("").series, 0);
}

#[test]
fn series_are_accepted_in_all_their_forms() {
    for line in [
        "a 1",
        "_:a9 1",
        "  \ta \t 1 \t 2 \t ",
        "a{}1",
        "a{ } 1",
        "a {b=\"c\"} 1",
        "a{b=\"c\",} 1",
        "a{ b = \"c\" , d\t=\t\"\" , } 1",
        "a{b=\"\\\\ \\\" \\n { } , # =\"} 1",
        "a{b=\"µ\t\"} 1",
        "a{b=\"c\",B=\"c\",b_=\"c\"} 1",
        "{\"a b.c\"} 1",
        "{\"µ\\n\\\"\\\\\",} 1",
        "{b=\"c\",\"a\"} 1",
        "{ \"a\" , \"b.c\" = \"d\" } 1",
        "a 1 0",
        "a 1 9223372036854775807",
        "a 1 000000000000000000000000000000",
    ] {
        assert_eq!(accept(&format!("{line}\n")).series, 1, "{line}");
    }
}

#[test]
fn numbers_are_those_of_go() {
    for number in [
        "0",
        "-0",
        "+1",
        "1.",
        ".5",
        "-.5e-3",
        "1e5",
        "1E+5",
        "1.2345678E9",
        "NaN",
        "nan",
        "NAN",
        "Inf",
        "+Inf",
        "-inf",
        "infinity",
        "-INFINITY",
        "1e308",
        "1.7976931348623157e308",
        "1e-400",
        "0e999",
        "1e00001",
        "00000000000000000000000000000000000000000000000001",
        "9007199254740993",
    ] {
        accept(&format!("a {number}\n"));
    }
    let digits = "9".repeat(308);
    accept(&format!("a {digits}\n"));
    accept(&format!("a 0.{digits}{digits}\n"));
    for number in [
        "x", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "--1", "+-1", "+NaN", "-nan", "nano", "in",
        "infi", "infinit", "1,5", "0x10", "0x1p4", "1p4", "1_000", "0b1", "1e5x", "1\r", "µ", "१",
        "1e0x1", "1e5.5",
    ] {
        refuse(&format!("a {number}\n"), 1, 3, Kind::Value);
    }
    for number in ["1e309", "-1e309", "1.7976931348623159e308", "1e99999999999999999999"] {
        refuse(&format!("a {number}\n"), 1, 3, Kind::ValueRange);
    }
    refuse(&format!("a 9{digits}\n"), 1, 3, Kind::ValueRange);
}

#[test]
fn names_are_checked() {
    for (line, column) in [
        ("1a 1", 1),
        ("µ 1", 1),
        (" -a 1", 2),
        ("aµ 1", 2),
        ("a-b 1", 2),
        ("a.b 1", 2),
        ("a-1 5", 2),
        ("a} 1", 2),
    ] {
        refuse(&format!("ok 1\n{line}\n"), 2, column, Kind::MetricName);
    }
    refuse("{\"\"} 1", 1, 2, Kind::MetricName);
    refuse("{} 1", 1, 3, Kind::MetricNameMissing);
    refuse("{a=\"b\"} 1", 1, 8, Kind::MetricNameMissing);
    refuse("a{\"b\"} 1", 1, 3, Kind::MetricNameTwice);
    refuse("{\"a\",\"b\"} 1", 1, 6, Kind::MetricNameTwice);
    for line in
        ["a{1=\"b\"} 1", "a{-=\"b\"} 1", "a{:=\"b\"} 1", "a{,} 1", "a{=\"b\"} 1", "a{\"\"=\"b\"} 1"]
    {
        refuse(line, 1, 3, Kind::LabelName);
    }
    refuse("a{b=\"\",,} 1", 1, 8, Kind::LabelName);
    refuse("a{__name__=\"b\"} 1", 1, 3, Kind::LabelNameReserved);
    refuse("a{\"__name__\"=\"b\"} 1", 1, 3, Kind::LabelNameReserved);
    refuse("a{b=\"\",c=\"\",b=\"x\"} 1", 1, 13, Kind::LabelTwice);
    refuse("a{b=\"\",\"b\"=\"x\"} 1", 1, 8, Kind::LabelTwice);
}

#[test]
fn a_label_is_found_twice_wherever_it_is() {
    for count in [2, 16, 17, 18, 40] {
        let label = |at: usize| format!("l{at}=\"\"");
        let labels = (0..count).map(label).collect::<Vec<_>>().join(",");
        accept(&format!("a{{{labels}}} 1\n"));
        for again in [0, count / 2, count - 1] {
            let error = checked(&format!("a{{{labels},{}}} 1\n", label(again))).unwrap_err();
            assert_eq!(error.kind, Kind::LabelTwice, "{again} of {count}");
        }
    }
}

#[test]
fn label_sets_are_checked() {
    let comma = Kind::Expected("the comma or closing brace after a label");
    refuse("a{b=\"c\" d=\"e\"} 1", 1, 9, comma);
    refuse("a{b=\"c\"\n} 1\n", 1, 8, comma);
    refuse("a{b=\"c\",\n", 1, 9, Kind::Expected("the closing brace of the labels"));
    refuse("a{\n", 1, 3, Kind::Expected("the closing brace of the labels"));
    refuse("a{b} 1", 1, 4, Kind::Expected("the = after a label name"));
    refuse("a{b-c=\"\"} 1", 1, 4, Kind::Expected("the = after a label name"));
    refuse("a{b=c} 1", 1, 5, Kind::Expected("the opening quote of a label value"));
    refuse("a{b='c'} 1", 1, 5, Kind::Expected("the opening quote of a label value"));
    refuse("a{b=\"c} 1\nd 1\n", 1, 5, Kind::Unterminated);
    refuse("a{b=\"c\nd\"} 1\n", 1, 5, Kind::Unterminated);
    refuse("a{b=\"c\\", 1, 5, Kind::Unterminated);
    refuse("{\"c} 1", 1, 2, Kind::Unterminated);
    for escape in ["\\x", "\\t", "\\'", "\\ ", "\\µ"] {
        refuse(&format!("a{{b=\"c{escape}\"}} 1\n"), 1, 7, Kind::Escape);
    }
    refuse("a{b=\"c\\\nd\"} 1", 1, 5, Kind::Unterminated);
}

#[test]
fn what_follows_the_series_is_checked() {
    for (line, column) in [("a", 2), ("a ", 3), ("a{}", 4), ("a{} \t", 6)] {
        refuse(line, 1, column, Kind::Expected("the value"));
    }
    for timestamp in ["-5", "+5", "1.5", "1e3", "x", "9223372036854775808", "1\r", "NaN"] {
        refuse(&format!("a 1 {timestamp}\n"), 1, 5, Kind::Timestamp);
    }
    refuse("a 1 2 3\n", 1, 7, Kind::Trailing);
    refuse("a{} 1 # {trace_id=\"x\"} 0.5 1700000000.0\n", 1, 7, Kind::Exemplar);
    refuse("a 1 2 # {}\n", 1, 7, Kind::Exemplar);
    refuse("a 1 #\n", 1, 5, Kind::Exemplar);
    refuse("a 1\r\n", 1, 3, Kind::Value);
    refuse("a 1\n\r\n", 2, 1, Kind::MetricName);
}

#[test]
fn types_are_those_of_the_text_format() {
    for kind in ["counter", "gauge", "histogram", "summary", "untyped"] {
        assert_eq!(accept(&format!("# TYPE a {kind}\n#\tTYPE \t \"a.b\"\t{kind}\n")).families, 2);
    }
    for kind in ["gaugehistogram", "info", "stateset", "unknown"] {
        refuse(&format!("# TYPE a {kind}\n"), 1, 10, Kind::OpenMetricsType(kind));
    }
    for kind in ["", "Counter", "counters", " counter", "counter ", "counter\r", "counter 1"] {
        refuse(&format!("# TYPE a {kind}\n"), 1, 10, Kind::Type);
    }
    refuse("# TYPE a\n", 1, 9, Kind::Type);
    for (line, column) in [
        ("# TYPE a-counter", 9),
        ("# TYPE 1a counter", 8),
        ("# TYPE \"\" counter", 8),
        ("# TYPE \"a\"b gauge", 11),
        ("# TYPE ", 8),
    ] {
        refuse(line, 1, column, Kind::MetricName);
    }
}

#[test]
fn comments_are_left_alone() {
    for line in [
        "#",
        "##",
        "# ",
        "#a",
        "#TYPE a b",
        "#HELP",
        "# HELP",
        "# TYPE",
        "# TYPEa b",
        "# HELPa",
        "# UNIT a bytes",
        "# EOFs",
        "#EOF",
        "# eof",
        "# \\x \" { µ",
        " # indented",
        "# HELP a",
        "# HELP a ",
        "# HELP a \\x \\\\ \\n \" µ",
        "# HELP \"a.b\" c",
        "\t#\tHELP\ta\tb\r",
    ] {
        assert_eq!(accept(&format!("{line}\n")).series, 0, "{line}");
    }
    accept("# HELP a b\n# HELP a c\na 1\n# TYPE a gauge\n# TYPE a counter\n\n \t\na 1\n");
    for (line, column) in [
        ("# HELP ", 8),
        ("# HELP 1", 8),
        ("# HELP a.b c", 9),
        ("# HELP aµ", 9),
        ("# HELP \"\" a", 8),
    ] {
        refuse(line, 1, column, Kind::MetricName);
    }
    refuse("# HELP \"a\n", 1, 8, Kind::Unterminated);
}

#[test]
fn the_end_is_marked_by_a_line_break_and_nothing_else() {
    clean("a 1", "a 1\n");
    clean("a 1\n# EOF", "a 1\n");
    clean("a 1\n# EOF\n", "a 1\n");
    clean("a 1\n# EOF\n# EOF\n", "a 1\n");
    clean("# EOF\n", "");
    clean("# EOF", "");
    clean("# EOF\na 1\n", "a 1\n");
    clean("# EOF\na 1", "a 1\n");
    clean("a 1\n \t#\t EOF \t\r\nb 2\n# EOF\n# EOF\nc 3\n# EOF\n", "a 1\nb 2\nc 3\n");
    clean("a 1\n# EOF\nb 2\n# EOF\nc 3", "a 1\nb 2\nc 3\n");
    clean("a 1\n# EOF\nb 2\n# EOF\nc 3\n", "a 1\nb 2\nc 3\n");
    clean("a 1\n# EOF\n\n", "a 1\n\n");
    clean("#", "#\n");
}

#[test]
fn only_what_must_be_is_copied() {
    let text = Bytes::from("a 1\nb 2\n# EOF\n");
    let checked = check(text.clone(), &Limits::default()).unwrap();
    assert_eq!(checked.text.as_ptr(), text.as_ptr());
    let checked = check(text.slice(..8), &Limits::default()).unwrap();
    assert_eq!(checked.text.as_ptr(), text.as_ptr());
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for text in ["\0", "a 1\n\0", "# \0\n", "# HELP a \0", "a{b=\"\0\"} 1\n", "a 1\0\n"] {
        let line = if text.starts_with("a 1\n") { 2 } else { 1 };
        let column = text.find('\0').unwrap() + 1 - if line == 2 { 4 } else { 0 };
        refuse(text, line, column, Kind::Nul);
    }
    refuse("-\n\0", 1, 1, Kind::MetricName);
    let error = check(&b"a 1\nb{c=\"\xff\"} 1\n"[..], &Limits::default()).unwrap_err();
    assert_eq!(error, ExpositionError { line: 2, column: 6, kind: Kind::NotUtf8 });
    refuse("\u{feff}a 1\n", 1, 1, Kind::MetricName);
}

#[test]
fn limits_hold_to_the_last_one() {
    let limits = Limits { max_series: 2, max_line_len: 9, max_labels: 1 };
    let refused = |text: &'static str| check(text, &limits).unwrap_err();
    check("# TYPE a\n", &limits).unwrap_err();
    check("a{b=\"\"} 1\n# comment\na 1", &Limits { max_line_len: 9, ..limits.clone() }).unwrap();
    let kind = Kind::TooManySeries { limit: 2 };
    assert_eq!(refused("a 1\nb 1\n\nc 1\n-"), ExpositionError { line: 4, column: 1, kind });
    let kind = Kind::LineTooLong { len: 10, limit: 9 };
    assert_eq!(refused("a 1\n# comments"), ExpositionError { line: 2, column: 10, kind });

    let limits = Limits { max_labels: 2, ..Limits::default() };
    check("{\"a\",b=\"\",c=\"\"} 1", &limits).unwrap();
    let error = check("a{b=\"\",c=\"\",d=\"\"} 1", &limits).unwrap_err();
    let kind = Kind::TooManyLabels { limit: 2 };
    assert_eq!(error, ExpositionError { line: 1, column: 13, kind });
}

#[test]
fn errors_say_where_and_what() {
    let message = |text| checked(text).unwrap_err().to_string();
    assert_eq!(message("a 1\nb x\n"), "line 2, byte 3: not a number");
    assert_eq!(
        message("# TYPE a info\n"),
        "line 1, byte 10: the type info of OpenMetrics, which the text format 0.0.4 does not have"
    );
    assert_eq!(
        message("a{b=\"\\x\"} 1\n"),
        r#"line 1, byte 6: an escape other than \\, \" and \n"#
    );
}

/// A line by the grammar, without its line break, and whether it is a series.
fn line() -> impl Strategy<Value = (String, bool)> {
    let blanks = "[ \t]{0,2}";
    let label = ("l[a-z0-9_]{0,3}", blanks, r#"([^"\\\n\x00]|\\["\\n]){0,8}"#)
        .prop_map(|(name, blanks, value)| (name, format!("{blanks}={blanks}\"{value}\"")));
    let labels = prop::collection::btree_map("l[a-z0-9_]{0,3}", label, 0..5).prop_map(|labels| {
        let labels = labels.into_iter().map(|(name, (_, value))| name + &value);
        labels.collect::<Vec<_>>().join(",")
    });
    let number = prop_oneof![
        any::<f64>()
            .prop_filter("Go knows no sign of NaN", |n| !n.is_nan())
            .prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("as above", |n| !n.is_nan()).prop_map(|n| format!("{n:e}")),
        "NaN|[+-]?Inf|[0-9]{1,5}\\.[0-9]{1,5}(E[0-9])?",
    ];
    let timestamp = prop_oneof!["".boxed(), (0..i64::MAX).prop_map(|ms| format!(" {ms}")).boxed()];
    let series = ("[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", labels, "[ \t]{1,2}", number, timestamp, blanks)
        .prop_map(|(name, labels, blanks, value, timestamp, end)| {
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            (format!("{name}{labels}{blanks}{value}{timestamp}{end}"), true)
        });
    let other = "# HELP [a-z]{1,5}( [^\n\x00]{0,10})?|# TYPE [a-z]{1,5} (counter|gauge|untyped)|#[^ \t\n\x00][^\n\x00]{0,9}|[ \t]{0,3}";
    prop_oneof![3 => series, 1 => other.prop_map(|line| (line, false))]
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), bytes: Vec<u8>) {
        let _ = checked(&text);
        let _ = check(bytes, &Limits::default());
    }

    #[test]
    fn near_misses_never_panic_and_what_is_accepted_stays_so(
        text in r#"([a_#:{}"=,\\ \n\t1.eE+-]|# TYPE |# HELP |# EOF|a=""|NaN|µ){0,30}"#,
    ) {
        if let Ok(first) = checked(&text) {
            prop_assert!(first.text.is_empty() || first.text.ends_with(b"\n"));
            prop_assert!(!std::str::from_utf8(&first.text).unwrap().lines().any(|line| line.trim() == "# EOF"));
            prop_assert_eq!(check(first.text.clone(), &Limits::default()).unwrap(), first);
        }
    }

    #[test]
    fn texts_by_the_grammar_are_accepted(lines in prop::collection::vec(line(), 0..20)) {
        let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
        let checked = checked(&text).unwrap();
        prop_assert_eq!(checked.series, lines.iter().filter(|line| line.1).count());
        prop_assert_eq!(checked.text, text);
    }

    #[test]
    fn a_text_is_right_exactly_if_its_lines_are(
        lines in prop::collection::vec(prop_oneof![
            4 => line().prop_map(|line| line.0),
            1 => "[a{}\"=,\\ 1#]{0,6}",
        ], 0..8),
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let first_wrong = lines.iter().map(|line| checked(line)).position(|line| line.is_err());
        match checked(&text) {
            Ok(_) => prop_assert_eq!(first_wrong, None),
            Err(error) => prop_assert_eq!(first_wrong, Some(error.line - 1)),
        }
    }
}
