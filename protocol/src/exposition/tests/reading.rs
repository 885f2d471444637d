use super::support::*;
use super::*;

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
        assert_eq!(facts(format!("{line}\n")).unwrap().samples, 1, "{line}");
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
        accept(format!("a {number}\n"));
    }
    let digits = "9".repeat(308);
    accept(format!("a {digits}\n"));
    accept(format!("a 0.{digits}{digits}\n"));
    for number in [
        "x", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "--1", "+-1", "+NaN", "-nan", "nano", "in",
        "infi", "infinit", "1,5", "0x10", "0x1p4", "1p4", "1_000", "0b1", "1e5x", "µ", "१",
        "1e0x1", "1e5.5",
    ] {
        refuse(format!("a {number}\n"), 1, 3, Kind::Value);
    }
    for number in ["1e309", "-1e309", "1.7976931348623159e308", "1e99999999999999999999"] {
        refuse(format!("a {number}\n"), 1, 3, Kind::ValueRange);
    }
    refuse(format!("a 9{digits}\n"), 1, 3, Kind::ValueRange);
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
        ("a} 1", 2),
    ] {
        refuse(format!("ok 1\n{line}\n"), 2, column, Kind::MetricName);
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
fn a_label_of_the_line_before_is_found_twice_where_it_is() {
    refuse("a{x=\"1\",b=\"1\"} 1\na{b=\"2\",b=\"1\"} 1\n", 2, 9, Kind::LabelTwice);
    refuse("a{b=\"1\"} 1\na{b=\"1\" 1\n", 2, 9, Kind::LabelName);
    refuse(
        "a{b=\"1\"} 1\na{b=\"1\"",
        2,
        8,
        Kind::Expected("the comma or closing brace after a label"),
    );
    assert_eq!(facts("ab 1\nab_c 1\nab{} 1\nab\t1\nabc 1\nab 2").unwrap().samples, 6);
}

#[test]
fn a_label_is_found_twice_wherever_it_is() {
    for count in [2, 16, 17, 18, 40] {
        let label = |at: usize| format!("l{at}=\"\"");
        let labels = (0..count).map(label).collect::<Vec<_>>().join(",");
        accept(format!("a{{{labels}}} 1\n"));
        for again in [0, count / 2, count - 1] {
            let error = facts(format!("a{{{labels},{}}} 1\n", label(again))).unwrap_err();
            assert_eq!(error.kind, Kind::LabelTwice, "{again} of {count}");
        }
    }
}

#[test]
fn label_sets_are_checked() {
    let comma = Kind::Expected("the comma or closing brace after a label");
    refuse("a{b=\"c\"\n} 1\n", 1, 8, comma);
    refuse("a{b=\"c\",\n", 1, 9, Kind::Expected("the closing brace of the labels"));
    refuse("a{\n", 1, 3, Kind::Expected("the closing brace of the labels"));
    refuse("a{b} 1", 1, 4, Kind::Expected("the = after a label name"));
    refuse("a{b-c=\"\"} 1", 1, 4, Kind::Expected("the = after a label name"));
    refuse("a{b=c} 1", 1, 5, Kind::Expected("the opening quote of a label value"));
    refuse("a{b='c'} 1", 1, 5, Kind::Expected("the opening quote of a label value"));
    refuse("a{b=\"c} 1\nd 1\n", 1, 5, Kind::Unterminated);
    refuse("a{b=\"c\\", 1, 5, Kind::Unterminated);
    refuse("{\"c} 1", 1, 2, Kind::Unterminated);
    refuse("a{b=\"c\\\nd\"} 1", 1, 5, Kind::Unterminated);
}

#[test]
fn what_follows_the_series_is_checked() {
    for (line, column) in [("a", 2), ("a ", 3), ("a{}", 4), ("a{} \t", 6)] {
        refuse(line, 1, column, Kind::Expected("the value"));
    }
    for timestamp in ["-5", "+5", "1.5", "1e3", "x", "9223372036854775808", "NaN"] {
        refuse(format!("a 1 {timestamp}\n"), 1, 5, Kind::Timestamp);
    }
    refuse("a 1 2 3\n", 1, 7, Kind::Trailing);
    refuse("a{} 1 # {trace_id=\"x\"} 0.5 1700000000.0\n", 1, 7, Kind::Exemplar);
    refuse("a 1 2 # {}\n", 1, 7, Kind::Exemplar);
    refuse("a 1 #\n", 1, 5, Kind::Exemplar);
    refuse("a 1\r\n", 1, 4, Kind::CarriageReturn);
    refuse("a 1\n\r\n", 2, 1, Kind::CarriageReturn);
}

#[test]
fn types_are_those_of_the_text_format() {
    for kind in ["counter", "gauge", "histogram", "summary", "untyped"] {
        assert_eq!(accept(format!("# TYPE a {kind}\n#\tTYPE \t \"a.b\"\t{kind}\n")).families, 2);
    }
    for kind in ["gaugehistogram", "info", "stateset", "unknown"] {
        refuse(format!("# TYPE a {kind}\n"), 1, 10, Kind::OpenMetricsType(kind));
    }
    for kind in ["", "Counter", "counters", " counter", "counter ", "counter 1"] {
        refuse(format!("# TYPE a {kind}\n"), 1, 10, Kind::Type);
    }
    refuse("# TYPE a\n", 1, 9, Kind::Type);
    for (line, column) in [("# TYPE 1a counter", 8), ("# TYPE ", 8)] {
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
        "# HELP a \\\\ \\n \" µ",
        "# HELP \"a.b\" c",
        "\t#\tHELP\ta\tb\r",
    ] {
        assert_eq!(facts(format!("{line}\n")).unwrap().samples, 0, "{line}");
    }
    accept("# HELP a b\n# HELP a c\na 1\n# TYPE a gauge\n# TYPE a counter\n\n \t\na 1\n");
    for (line, column) in [("# HELP ", 8), ("# HELP 1", 8)] {
        refuse(line, 1, column, Kind::MetricName);
    }
    refuse("# HELP \"a\n", 1, 8, Kind::Unterminated);
}

#[test]
fn the_end_is_marked_by_a_line_break_and_nothing_else() {
    becomes("a 1", JOINED, "a 1\n");
    // This is OpenMetrics.
    becomes("a 1\n# EOF", JOINED, "a 1\n");
    becomes("a 1\n# EOF\n", JOINED, "a 1\n");
    becomes("a 1\n# EOF\n# EOF\n", JOINED, "a 1\n");
    becomes("# EOF\n", JOINED, "");
    becomes("# EOF", JOINED, "");
    becomes("# EOF\na 1\n", JOINED, "a 1\n");
    becomes("# EOF\na 1", JOINED, "a 1\n");
    becomes("a 1\n \t#\t EOF \t\r\nb 2\n# EOF\n# EOF\nc 3\n# EOF\n", JOINED, "a 1\nb 2\nc 3\n");
    becomes("a 1\n# EOF\nb 2\n# EOF\nc 3", JOINED, "a 1\nb 2\nc 3\n");
    becomes("a 1\n# EOF\nb 2\n# EOF\nc 3\n", JOINED, "a 1\nb 2\nc 3\n");
    becomes("a 1\n# EOF\n\n", JOINED, "a 1\n\n");
    becomes("#", JOINED, "#\n");
}

/// OpenMetrics requires a blank before a value and the text format does not, so a text without it is read as the latter.
#[test]
fn a_text_that_ends_like_openmetrics_but_is_not_is_read_as_text() {
    for (text, format) in [
        ("a{x=\"1\"} 1\n# EOF\n", SourceFormat::OpenMetrics),
        ("a{x=\"1\"}1\n# EOF\n", SourceFormat::Text004),
        ("a{}1\n# EOF\n", SourceFormat::Text004),
    ] {
        assert_eq!(facts(text).unwrap().format, format, "{text}");
    }
}

#[test]
fn what_prometheus_reads_and_strict_parsers_do_not_is_rewritten() {
    for (text, expected) in [
        // NetApp/harvest #1128, alibaba/yalantinglibs #1207.
        ("user{name=\"corp\\uname\"} 1\nother 1\n", "user{name=\"corp\\\\uname\"} 1\nother 1\n"),
        ("req{path=\"/has\nnewline\"} 4\nother 1\n", "req{path=\"/has\\nnewline\"} 4\nother 1\n"),
        ("req{a=\"b\" c=\"d\"} 1\nother 1\n", "req{a=\"b\",c=\"d\"} 1\nother 1\n"),
        // Near NLnetLabs/nsd #474.
        (
            "# HELP zone.queries h\n# TYPE zone_queries counter\nzone_queries 1\n",
            "# TYPE zone_queries counter\nzone_queries 1\n",
        ),
        ("  a 1\n", "a 1\n"),
        ("a-1 5\n", "a -1 5\n"),
        ("a{b=\"c\"}1\n", "a{b=\"c\"}1\n"),
        ("# HELP a \\x \\\" \\\\ \\n\n", "# HELP a \\\\x \\\\\" \\\\ \\n\n"),
        ("# TYPE a-counter\na 1\n", "a 1\n"),
        ("# TYPE \"\" counter\n# HELP \"\" a\na 1\n", "a 1\n"),
        ("# HELP \"a\nb\" c\n", "# HELP \"a\\nb\" c\n"),
        ("{\"a\\x\",\"l\\m\"=\"\"} 1", "{\"a\\\\x\",\"l\\\\m\"=\"\"} 1\n"),
    ] {
        becomes(text, JOINED, expected);
    }
    becomes(b"# caf\xe9\nother 1\n", JOINED, "other 1\n");
    becomes(b"# HELP \"\xff\" h\nother 1\n", JOINED, "other 1\n");
    refuse(b"# HELP a \xff\n", 1, 9, Kind::NotUtf8);
    // Prometheus drops the first byte after the name, here half a character.
    refuse("# HELP aµ\n", 1, 9, Kind::NotUtf8);
    refuse(b"a 1\nb{c=\"d\xff\"} 1\n", 2, 7, Kind::NotUtf8);
    refuse(b"{\"\xff\"} 1\n", 1, 2, Kind::NotUtf8);
    refuse(b"a{\"\xff\"=\"\"} 1\n", 1, 3, Kind::NotUtf8);
}

#[test]
fn lines_as_long_as_prometheus_reads_are_served() {
    // VictoriaMetrics/VictoriaMetrics #2050, lesovsky/pgscv #55.
    let query = "SELECT 1 AS a, ".repeat(4700);
    accept(format!("# TYPE q gauge\nq{{query=\"{query}\"}} 1\n"));
    accept(format!("# HELP q {query}\nq 1\n"));
    let labels: Vec<_> = (0..5000).map(|at| format!("l{at}=\"\"")).collect();
    accept(format!("a{{{}}} 1\n", labels.join(",")));
}

#[test]
fn a_carriage_return_is_called_so() {
    // prometheus/prometheus #14065, #16400.
    let error = facts("# TYPE iot gauge\r\niot{sensor=\"0\"} 25.88\r\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1, byte 17: a carriage return ends the line, where a line feed alone may"
    );
    refuse("iot{sensor=\"0\"} 25.88\r\n", 1, 22, Kind::CarriageReturn);
    refuse("a 1 5\r\n", 1, 6, Kind::CarriageReturn);
}
