//! How texts, times and amounts are written.

use crate::status::{AppStatus, Query, Sort};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prometheus_rsocket_runtime::Line;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

/// A text as the content of an element or of an attribute in double quotes. At most 200 bytes of it; what is not printable is escaped
/// visibly, marks of direction among them. To be used within [`bdi`] where letters of the text may themselves have a direction.
pub(super) fn text(text: &str) -> Escaped<Line<&str>> {
    Escaped(Line(text))
}

/// A text that a peer may have chosen, as an element of its own.
pub(super) fn bdi(name: &str) -> String {
    format!("<bdi>{}</bdi>", text(name))
}

/// The same for more than 200 bytes, piece by piece.
pub(super) fn long_text(long: &str) -> String {
    let mut out = String::from("<bdi>");
    let mut rest = long;
    for _ in 0..MAX_PIECES {
        // A character is up to ten bytes when it is escaped, and a piece has to come out whole.
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        let _ = write!(out, "{}", text(piece));
        rest = after;
    }
    if !rest.is_empty() {
        out.push('…');
    }
    out.push_str("</bdi>");
    out
}

const PIECE: usize = 20;
/// Together 1,200 bytes.
const MAX_PIECES: usize = 60;

/// Something in HTML.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            match char {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                char => self.0.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// `45 s`, `12 min`, `3 h 5 min`, `4 d 2 h`.
pub(super) fn age(seconds: f64) -> String {
    // Saturates.
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min", whole / 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// How long ago something began, and at which time of the day, in UTC.
pub(super) fn since(seconds: f64, now: Option<f64>) -> String {
    let ago = format!("{} ago", age(seconds));
    match now {
        None => ago,
        Some(now) => format!("{ago}<br><span class=\"m\">{}</span>", moment(now - seconds)),
    }
}

/// `1 scrape`, `2 scrapes`.
pub(super) fn scrapes(amount: u64) -> String {
    let plural = if amount == 1 { "" } else { "s" };
    format!("{} scrape{plural}", count(amount))
}

/// A duration that is short: `0.004 s`, `1.2 s`, `12 s`.
pub(super) fn took(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.1 => format!("{seconds:.3} s"),
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

/// `812 B`, `12.3 KiB`, `4.0 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let mut amount = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    for unit in ["KiB", "MiB", "GiB"] {
        amount /= 1024.0;
        if amount < 1000.0 {
            return format!("{amount:.1} {unit}");
        }
    }
    format!("{:.1} TiB", amount / 1024.0)
}

/// `12,345`.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A moment in UTC, from seconds since 1970: an element `time`.
pub(super) fn moment(seconds: f64) -> String {
    let whole = seconds.max(0.0) as i64;
    let (days, second) = (whole.div_euclid(86_400), whole.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "<time datetime=\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z\">{year:04}-{month:02}-{day:02} \
         {hour:02}:{minute:02}:{second:02}&nbsp;UTC</time>"
    )
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01. Counts in eras of 400 years that begin on the first of March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Labels as in the text format, at most `max` of them.
pub(super) fn labels(labels: &BTreeMap<String, String>, max: usize) -> String {
    let mut out = String::new();
    for (name, value) in labels.iter().take(max) {
        let comma = if out.is_empty() { "" } else { ", " };
        let _ = write!(out, "{comma}{}=&quot;{}&quot;", text(name), bdi(value));
    }
    if labels.len() > max {
        let _ = write!(out, " and {} more", labels.len() - max);
    }
    out
}

/// A state as a badge.
pub(super) fn badge(status: AppStatus) -> String {
    let class = match status {
        AppStatus::Failing | AppStatus::Gone => "s s-bad",
        AppStatus::Partial | AppStatus::Duplicate | AppStatus::Slow => "s s-warn",
        AppStatus::Ok => "s s-good",
        AppStatus::Connecting | AppStatus::Waiting => "s",
    };
    format!("<span class=\"{class}\">{}</span>", status.name())
}

/// The link to an application's page.
pub(super) fn link(id: &str) -> String {
    match id {
        "" => "?".to_owned(),
        id if id.len() > MAX_ID => bdi(id),
        id => format!("<a href=\"/app/{}\">{}</a>", Escaped(encoded(id)), bdi(id)),
    }
}

/// No path is as long as this.
const MAX_ID: usize = 512;

/// A query as part of a URL in an attribute, with its question mark; empty if it is the default.
pub(super) fn url_query(query: &Query) -> String {
    let mut fields = Vec::new();
    if !query.text.is_empty() {
        fields.push(format!("q={}", encoded(&query.text)));
    }
    if query.state != Query::default().state {
        fields.push(format!("state={}", query.state.name()));
    }
    if query.sort != Sort::default() {
        let Sort { key, is_reversed } = query.sort;
        fields.push(format!("sort={}{}", if is_reversed { "-" } else { "" }, key.name()));
    }
    if query.page > 1 {
        fields.push(format!("page={}", query.page));
    }
    if fields.is_empty() { String::new() } else { format!("?{}", fields.join("&amp;")) }
}

fn encoded(text: &str) -> impl Display + Copy + use<'_> {
    Encoded(text)
}

#[derive(Clone, Copy)]
struct Encoded<'a>(&'a str);

impl Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(self.0, UNRESERVED).fmt(f)
    }
}

/// All but the unreserved characters of RFC 3986.
const UNRESERVED: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
