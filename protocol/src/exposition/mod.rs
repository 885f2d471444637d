//! One application's metrics text, checked on its own before it is joined with others.
//!
//! Prometheus takes back a whole scrape at the first line that it cannot read. A proxy that joins many applications' texts
//! therefore has to find such lines itself, and leave out the one application. [`check`] reads a text in the Prometheus text format,
//! version 0.0.4, once, and tells what is wrong and in which line, or hands it back fit to be joined.
//!
//! # What is refused
//!
//! * What Prometheus 3 refuses: bad names, label sets and values, a number that does not fit, a negative or fractional timestamp, anything
//!   after the timestamp, a `TYPE` other than `counter`, `gauge`, `histogram`, `summary` or `untyped` (or with more than
//!   one blank before it, or anything after it), a label twice in a series, an empty name, bytes that are not UTF-8.
//! * OpenMetrics where it differs: exemplars, its `TYPE`s, timestamps with fractions. The formats cannot be mixed in one answer.
//! * NUL, anywhere. Prometheus takes it for the end of the text in some places, and loses all that follows *silently*.
//! * In series, what Prometheus lets pass but the strict parser of other scrapers (promtool, Pushgateway, Telegraf) does not: labels that
//!   are not separated by commas, raw line breaks and unknown escapes in quotes, a label called `__name__`. And values glued to the name, as
//!   in `requests-1 5`, which both read as `requests` = -1 at the time 5.
//! * More than the [`Limits`].
//!
//! # What is accepted
//!
//! Blank lines, leading and trailing blanks, commas after the last label, `HELP` and `TYPE` lines repeated or after their series, comments
//! of any kind (`# UNIT`), no line break at the end, and names in quotes, `{"my.metric", region="eu"} 1`, which Prometheus reads since
//! version 3 ([`Checked::quoted_series`] tells how many, for who is scraped by an older one). A `HELP` text may hold unknown escapes.
//!
//! Not looked at: whether series are unique, whether a histogram is one, whether lines of a family are together.
//!
//! # What is changed
//!
//! `# EOF` lines are cut out, as after joining they would stand in the middle, and a missing line break at the end is
//! added. The text is copied only if that cannot be done without.

mod clean;
mod error;
mod float;
mod line;
#[cfg(test)]
mod tests;

pub use self::error::{ExpositionError, ExpositionErrorKind};

use self::clean::Cleaner;
use self::line::Line;
use bytes::Bytes;
use memchr::memchr;

/// What [`check`] accepts of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most series, counted as lines with a value. Default: 200,000.
    pub max_series: usize,
    /// The longest line, in bytes without its line break. Default: 64 KiB.
    pub max_line_len: usize,
    /// The most labels of one series. Default: 128. Finding one that is there twice takes time by the square of this.
    pub max_labels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_series: 200_000, max_line_len: 64 << 10, max_labels: 128 }
    }
}

/// A text that can be joined with others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// The text: UTF-8, without `# EOF`, and unless empty, ending in a line break.
    pub text: Bytes,
    /// Series: lines with a value.
    pub series: usize,
    /// Metric families: `TYPE` lines.
    pub families: usize,
    /// Series whose metric's or labels' names are in quotes: only Prometheus 3 and later can read them.
    pub quoted_series: usize,
    /// Series with a timestamp of their own. They do not go stale when they are gone from the next scrape.
    pub timestamped_series: usize,
}

/// Checks one application's text, and makes it fit to be joined.
///
/// # Errors
///
/// [`ExpositionError`] with the first line that is wrong.
pub fn check(text: impl Into<Bytes>, limits: &Limits) -> Result<Checked, ExpositionError> {
    check_bytes(text.into(), limits)
}

fn check_bytes(text: Bytes, limits: &Limits) -> Result<Checked, ExpositionError> {
    if let Err(error) = std::str::from_utf8(&text) {
        return Err(ExpositionError::at(&text, error.valid_up_to(), ExpositionErrorKind::NotUtf8));
    }
    let nul = memchr(0, &text).unwrap_or(text.len());
    let mut cleaner = Cleaner::default();
    let mut counts = Counts::default();
    let mut rest: &[u8] = &text;
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let len = memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(len);
        rest = after.get(1..).unwrap_or_default();
        if nul < start + len {
            return Err(ExpositionError::at(&text, nul, ExpositionErrorKind::Nul));
        }
        match line::parse(line, limits) {
            Ok(Line::Eof) => cleaner.cut(&text, start..text.len() - rest.len()),
            Ok(line) => counts.add(line),
            Err((column, kind)) => return Err(ExpositionError::at(&text, start + column, kind)),
        }
        if counts.series > limits.max_series {
            let kind = ExpositionErrorKind::TooManySeries { limit: limits.max_series };
            return Err(ExpositionError::at(&text, start, kind));
        }
    }
    Ok(counts.into_checked(cleaner.finish(text)))
}

#[derive(Default)]
struct Counts {
    series: usize,
    families: usize,
    quoted: usize,
    timestamped: usize,
}

impl Counts {
    fn add(&mut self, line: Line) {
        match line {
            Line::Series { quoted, timestamped } => {
                self.series += 1;
                self.quoted += usize::from(quoted);
                self.timestamped += usize::from(timestamped);
            }
            Line::Type => self.families += 1,
            Line::Eof | Line::Other => {}
        }
    }

    fn into_checked(self, text: Bytes) -> Checked {
        Checked {
            text,
            series: self.series,
            families: self.families,
            quoted_series: self.quoted,
            timestamped_series: self.timestamped,
        }
    }
}
