use http::{HeaderMap, header};
use std::time::Duration;

/// The time limits of scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeTimeouts {
    /// For scrapers that name none.
    pub default: Duration,
    /// The most that a scraper can ask for.
    pub max: Duration,
    /// The part of the limit that is kept for assembling and sending the answer.
    pub offset: Duration,
}

impl ScrapeTimeouts {
    /// Returns how long applications are waited for: the limit that Prometheus names in its header, as a plain decimal number of seconds, or the
    /// default if that is missing or malformed. It is at most `max`, less `offset`, and at least 100 ms.
    pub fn budget(&self, header: Option<&str>) -> Duration {
        let timeout = header.and_then(parse_seconds).unwrap_or(self.default).min(self.max);
        timeout.saturating_sub(self.offset).max(BUDGET_MIN)
    }
}

/// Returns whether the sender of these headers prefers gzip to plain text.
///
/// Without the header any coding is acceptable, but plain text is the safe choice.
pub(super) fn prefers_gzip(headers: &HeaderMap) -> bool {
    let mut gzip = None;
    let mut identity = None;
    let mut any = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let (coding, weight) = parse_coding(item);
            let slot = match coding {
                c if c.eq_ignore_ascii_case("gzip") || c.eq_ignore_ascii_case("x-gzip") => {
                    &mut gzip
                }
                c if c.eq_ignore_ascii_case("identity") => &mut identity,
                "*" => &mut any,
                _ => continue,
            };
            *slot = (*slot).max(Some(weight));
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    // Plain text is acceptable if it is not named, but was not asked for.
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// Parses a coding and its weight, in thousandths. A malformed weight counts as 0, which means never.
fn parse_coding(item: &str) -> (&str, u16) {
    let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| parse_weight(value.trim()))
    });
    (coding.trim(), weight.unwrap_or(1000))
}

pub(super) fn parse_weight(text: &str) -> u16 {
    match text.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
        _ => 0,
    }
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    // Rust also parses exponents, signs, infinities and NaN, which are not plain decimals.
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let seconds: f64 = text.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// Applications get at least this long, however short the scraper's limit is.
const BUDGET_MIN: Duration = Duration::from_millis(100);
