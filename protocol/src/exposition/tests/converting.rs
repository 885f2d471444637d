use super::support::*;
use super::*;

#[test]
fn open_metrics_becomes_text() {
    let text = concat!(
        "# TYPE requests counter\n# UNIT requests \n# HELP requests All \\\"requests\\\".\n",
        "requests_total{a=\"b\"} 5 1.5 # {trace_id=\"x\"} 0.5 1.0\nrequests_created{a=\"b\"} 1700000000.25\n",
        "# TYPE build info\n# HELP build B\nbuild_info{version=\"1\"} 1\n",
        "# TYPE state stateset\nstate{state=\"on\"} 1\nstate{state=\"off\"} 0\n",
        "# TYPE odd unknown\nodd 3 -1.5\n",
        "# TYPE sizes gaugehistogram\nsizes_bucket{le=\"+Inf\"} 2\nsizes_gcount 2\nsizes_gsum 3\n",
        "# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n",
        "took_seconds_bucket{le=\"1.0\"} 1\ntook_seconds_bucket{le=\"+Inf\"} 2 # {} 4\n",
        "took_seconds_count 2\ntook_seconds_sum 3\ntook_seconds_created 7\n",
        "# EOF\n"
    );
    let facts = facts(text).unwrap();
    assert_eq!(facts.format, SourceFormat::OpenMetrics);
    assert_eq!((facts.samples, facts.families, facts.is_verbatim), (14, 6, false));
    becomes(
        text,
        JOINED,
        concat!(
            "# HELP requests_total All \"requests\".\n# TYPE requests_total counter\n",
            "requests_total{a=\"b\"} 5 1500\n",
            "# HELP requests_created All \"requests\".\n# TYPE requests_created gauge\n",
            "requests_created{a=\"b\"} 1700000000.25\n",
            "# HELP build_info B\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n",
            "# TYPE state gauge\nstate{state=\"on\"} 1\nstate{state=\"off\"} 0\n",
            "# TYPE odd untyped\nodd 3 0\n",
            "# TYPE sizes_bucket untyped\nsizes_bucket{le=\"+Inf\"} 2\n",
            "# TYPE sizes_gcount untyped\nsizes_gcount 2\n# TYPE sizes_gsum untyped\nsizes_gsum 3\n",
            "# TYPE took_seconds histogram\n",
            "took_seconds_bucket{le=\"1.0\"} 1\ntook_seconds_bucket{le=\"+Inf\"} 2\n",
            "took_seconds_count 2\ntook_seconds_sum 3\n",
            "# TYPE took_seconds_created gauge\ntook_seconds_created 7\n",
        ),
    );
}

#[test]
fn open_metrics_for_open_metrics_keeps_what_it_has() {
    let text = concat!(
        "# HELP b_seconds \\\"B\\\"\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\n",
        "b_seconds_bucket{le=\"1.0\"} 1 # {trace_id=\"x\"} 0.5 1.0\nb_seconds_bucket{le=\"+Inf\"} 2\n",
        "b_seconds_count 2\nb_seconds_sum 3.5\nb_seconds_created 1\n",
        "# TYPE c counter\nc_total{x=\"\"} 1 5.5 # {} 1\nc_created{x=\"\"} 1 5.5\n",
        "# TYPE i info\ni_info{v=\"1\"} 1\n",
        "# TYPE s stateset\ns{s=\"a\"} 1\n",
    );
    becomes(format!("{text}# EOF\n"), OPEN_METRICS, text);
}

#[test]
fn text_becomes_open_metrics() {
    let text = concat!(
        "\n# comment\n# HELP b_total A \"b\" \\\\ \\n\n# HELP b_total again\n# TYPE b_total counter\n",
        " b_total{x=\"1\"} 1 1700000000123\n# TYPE b_created gauge\nb_created{x=\"1\"} 5 1700000000123\n",
        "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 2\nh_count 3\n# TYPE h histogram\n",
        "# TYPE odd counter\nodd 1 5\n# TYPE u untyped\nu 1 1000\n\nb_total{x=\"2\"} 2\nu 2\n",
        "# TYPE q summary\nq{quantile=\"0.5\",a=\"1\"} 1\nq{quantile=\"0.5\",a=\"2\"} 2\nq{quantile=\"1\",a=\"1\"} 1\n",
        "q_sum{a=\"1\"} 4\nq_count{a=\"1\"} 5\n"
    );
    becomes(
        text,
        OPEN_METRICS,
        concat!(
            "# HELP b A \\\"b\\\" \\\\ \\n\n# TYPE b counter\n",
            "b_total{x=\"1\"} 1 1700000000.123\nb_created{x=\"1\"} 5 1700000000.123\nb_total{x=\"2\"} 2\n",
            "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 2\nh_count 3\n",
            "# TYPE odd unknown\nodd 1 0.005\n",
            "# TYPE u unknown\nu 1 1\n",
            "# TYPE q summary\nq{quantile=\"0.5\",a=\"1\"} 1\nq{quantile=\"1.0\",a=\"1\"} 1\n",
            "q_sum{a=\"1\"} 4\nq_count{a=\"1\"} 5\nq{quantile=\"0.5\",a=\"2\"} 2\n",
        ),
    );
}

#[test]
fn what_does_not_fit_its_type_is_untyped() {
    for (text, expected) in [
        // There is no `+Inf` bucket.
        (
            "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\n",
            "# TYPE h_bucket unknown\nh_bucket{le=\"1\"} 1\n# TYPE h_count unknown\nh_count 1\n",
        ),
        // A counter's family would get another family's name.
        (
            "# TYPE a_total counter\na_total 1\na 2\n",
            "# TYPE a_total unknown\na_total 1\n# TYPE a unknown\na 2\n",
        ),
        ("# TYPE a_total counter\na_total -1\n", "# TYPE a_total unknown\na_total -1\n"),
        ("# TYPE _total counter\n_total 1\n", "# TYPE _total unknown\n_total 1\n"),
        ("# TYPE s summary\ns 1\n", "# TYPE s unknown\ns 1\n"),
    ] {
        becomes(text, OPEN_METRICS, expected);
    }
}

#[test]
fn times_are_converted_digit_by_digit() {
    let milliseconds = |text: &str| {
        let mut out = Vec::new();
        time::write_milliseconds(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    };
    for (seconds, expected) in [
        ("0", "0"),
        ("1", "1000"),
        ("1.5", "1500"),
        ("1.", "1000"),
        (".5", "500"),
        ("+1.0009", "1000"),
        ("-1.5", "0"),
        ("1700000000.123", "1700000000123"),
        ("1.700000000123e9", "1700000000123"),
        ("1.7E+9", "1700000000000"),
        ("123e-3", "123"),
        ("1e-9", "0"),
        ("0.0004", "0"),
        ("0.001", "1"),
        ("1e300", "9223372036854775807"),
        ("9223372036854775.807", "9223372036854775807"),
        ("9223372036854775.808", "9223372036854775807"),
        ("1e99999999999999999999", "9223372036854775807"),
        ("1e-99999999999999999999", "0"),
        ("0e99", "0"),
        ("00012.5", "12500"),
    ] {
        assert_eq!(milliseconds(seconds), expected, "{seconds}");
    }
    for (milliseconds, expected) in [
        ("0", "0"),
        ("1", "0.001"),
        ("1000", "1"),
        ("1700000000123", "1700000000.123"),
        ("00", "0"),
    ] {
        let mut out = Vec::new();
        time::write_seconds(milliseconds.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn numbers_are_written_as_open_metrics_asks() {
    for (number, expected) in [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (0.25, "0.25"),
        (100000.0, "100000.0"),
        (1e-5, "1e-05"),
        (1.5e21, "1.5e+21"),
        (1e100, "1e+100"),
        (-2.5, "-2.5"),
        (f64::INFINITY, "+Inf"),
    ] {
        assert_eq!(write::canonical_number(number), expected);
    }
}

#[test]
fn utf8_names_are_escaped_for_who_cannot_read_them() {
    // open-telemetry/opentelemetry-go #6723, prometheus/proposals #28.
    becomes(
        "# TYPE req counter\nreq{\"http.method\"=\"GET\"} 3\n",
        LEGACY,
        "# TYPE req counter\nreq{http_method=\"GET\"} 3\n",
    );
    becomes(
        "# HELP \"my.dotted\" h\n# TYPE \"my.dotted\" gauge\n{\"my.dotted\"} 3\n",
        LEGACY,
        "# HELP my_dotted h\n# TYPE my_dotted gauge\nmy_dotted 3\n",
    );
    for (text, expected) in [
        ("{\"µé.1\",\"1µ\"=\"a\"} 1\n", "___1{__=\"a\"} 1\n"),
        ("{\"1a\",\"a:b\"=\"\"} 1\n", "_a{a_b=\"\"} 1\n"),
        ("{\"a\",\"b\"=\"c\"} 1\n", "a{b=\"c\"} 1\n"),
        // No label may appear twice.
        ("a{\"b.c\"=\"1\",b_c=\"2\",\"b-c\"=\"3\"} 1\n", "a{b_c=\"2\"} 1\n"),
        ("a{\"b.c\"=\"1\",\"b-c\"=\"3\",d=\"\"} 1\n", "a{b_c=\"1\",d=\"\"} 1\n"),
    ] {
        becomes(text, LEGACY, expected);
    }
}

#[test]
fn identity_labels_are_added() {
    let identity = Labels::new([("app", "x\"y"), ("instance", "i")]).unwrap();
    let text =
        "a 1\na{} 2\na{app=\"own\"} 3 4\n{\"b.c\",instance=\"\",d=\"e\"} 5\n# TYPE a gauge\n";
    let source = |inject| Source { text: text.as_bytes(), identity: &identity, inject, seed: 1 };
    assert_eq!(
        rendered(&source(Inject::Missing), JOINED, &[]),
        concat!(
            "a{app=\"x\\\"y\",instance=\"i\"} 1\na{app=\"x\\\"y\",instance=\"i\"} 2\n",
            "a{app=\"own\",instance=\"i\"} 3 4\n{\"b.c\",d=\"e\",app=\"x\\\"y\",instance=\"i\"} 5\n",
            "# TYPE a gauge\n"
        )
    );
    assert_eq!(
        rendered(&source(Inject::Always), JOINED, &[]).lines().nth(2),
        Some("a{app=\"x\\\"y\",instance=\"i\"} 3 4")
    );
    assert_eq!(rendered(&source(Inject::Never), JOINED, &[]), text);
}

#[test]
fn samples_are_omitted_by_their_index() {
    let text = "# TYPE a gauge\na 1\na{b=\"c\"} 2\n# comment\nd 3\n";
    assert_eq!(
        rendered(&source(text.as_bytes()), JOINED, &[0, 2]),
        "# TYPE a gauge\na{b=\"c\"} 2\n# comment\n"
    );
    assert_eq!(
        rendered(&source(text.as_bytes()), OPEN_METRICS, &[0, 2]),
        "# TYPE a gauge\na{b=\"c\"} 2\n"
    );
}
