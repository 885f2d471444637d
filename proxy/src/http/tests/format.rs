use crate::http::format::Negotiated;
use http::{HeaderMap, HeaderValue, header};

/// What Prometheus 3 sends by default.
const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
    application/openmetrics-text;version=0.0.1;q=0.4,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
/// What Prometheus 2.42 sends.
const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

#[track_caller]
fn answered(accept: &[&str], expected: &str) {
    let mut headers = HeaderMap::new();
    for value in accept {
        headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
    }
    assert_eq!(Negotiated::of(&headers).content_type(), expected, "{accept:?}");
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[test]
fn prometheus_gets_what_it_weighs_highest() {
    answered(
        &[PROMETHEUS_3],
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    );
    answered(&[PROMETHEUS_2], OPEN_METRICS);
    let text_first =
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5";
    answered(&[text_first], "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8");
}

#[test]
fn who_names_nothing_that_is_served_gets_text() {
    for accept in [
        "*/*",
        "text/*",
        "text/html, */*;q=0.8",
        "application/json",
        "",
        ";;=,",
        "text/plain;version=9",
    ] {
        answered(&[accept], TEXT);
    }
    answered(&[], TEXT);
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6";
    answered(&[protobuf], TEXT);
    answered(
        &[&format!("{protobuf},{PROMETHEUS_3}")],
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    );
}

#[test]
fn weights_decide_and_the_first_of_two_equal_ones_wins() {
    answered(&["text/plain;q=0.5", "application/openmetrics-text;q=0.6"], OPEN_METRICS);
    answered(&["text/plain;q=0.6,application/openmetrics-text;q=0.5"], TEXT);
    answered(&["text/plain,application/openmetrics-text"], TEXT);
    answered(&["application/openmetrics-text,text/plain"], OPEN_METRICS);
    answered(&["application/openmetrics-text;q=0,text/plain;q=0.1"], TEXT);
    answered(&["application/openmetrics-text;q=nonsense"], TEXT);
    answered(&["application/openmetrics-text; version=0.0.1"], TEXT);
}

#[test]
fn names_are_escaped_unless_the_scraper_allows_utf_8() {
    answered(
        &["text/plain;version=0.0.4;escaping=allow-utf-8"],
        "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
    );
    answered(
        &["text/plain;version=0.0.4;escaping=\"allow-utf-8\""],
        "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
    );
    for scheme in ["underscores", "dots", "values"] {
        answered(
            &[&format!("text/plain;version=1.0.0;escaping={scheme}")],
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        );
        answered(
            &[&format!("application/openmetrics-text;version=1.0.0;escaping={scheme}")],
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        );
    }
}
