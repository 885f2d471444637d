use super::{super::negotiate::prefers_gzip, TIMEOUTS};
use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;

fn check_gzip(values: &[&str], expected: bool) {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
    }
    assert_eq!(prefers_gzip(&headers), expected, "{values:?}");
}

#[test]
fn gzip_is_chosen_where_it_is_wanted() {
    for value in [
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br",
        "deflate,gzip;q=0.1",
        "gzip;q=1.0, identity; q=0.5, *;q=0",
        "gzip ; Q=0.5",
        "gzip;q=0.5, identity;q=0.5",
        "*",
        "*;q=0.5, identity;q=0.1",
        "identity;q=0, *",
        "gzip;q=0.001",
    ] {
        check_gzip(&[value], true);
    }
    check_gzip(&["deflate", "gzip"], true);
}

#[test]
fn plain_text_is_chosen_everywhere_else() {
    for value in [
        "",
        "identity",
        "deflate, br",
        "gzip;q=0",
        "gzip;q=0.000, *",
        "*;q=0",
        "gzip;q=0.4, identity;q=0.5",
        "gzip;q=nonsense",
        "gzip;q=2",
        "gzip;q=-1",
        "gzip;q=NaN",
        "gzipped",
        "gzip x",
        ",;,=",
    ] {
        check_gzip(&[value], false);
    }
    check_gzip(&[], false);
}

fn budget_ms(header: &str) -> u128 {
    TIMEOUTS.budget(Some(header)).as_millis()
}

#[test]
fn the_scraper_says_how_long_it_waits() {
    for (header, expected) in [
        ("10", 9_500),
        ("10.000000", 9_500),
        (" 2.5 ", 2_000),
        (".7", 200),
        // At most the maximum.
        ("59.999", 59_499),
        ("60", 59_500),
        ("60.001", 59_500),
        ("86400", 59_500),
        // At least the minimum.
        ("0.601", 101),
        ("0.6", 100),
        ("0.599", 100),
        ("0.5", 100),
        ("0.001", 100),
        ("0", 100),
    ] {
        assert_eq!(budget_ms(header), expected, "{header:?}");
    }
    assert_eq!(budget_ms(&"9".repeat(400)), 59_500);
}

#[test]
fn a_header_without_sense_means_the_default() {
    for header in
        ["", " ", "-1", "-0.5", "+5", "NaN", "inf", "1e3", "0x10", "5s", "1.2.3", ".", "٣"]
    {
        assert_eq!(budget_ms(header), 9_500, "{header:?}");
    }
    assert_eq!(TIMEOUTS.budget(None).as_millis(), 9_500);
}

proptest! {
    #[test]
    fn any_header_gives_a_budget_within_bounds(header in any::<String>()) {
        let millis = budget_ms(&header);
        prop_assert!((100..=59_500).contains(&millis));
    }
}
