//! One application's metrics, checked on their own: is this what Prometheus can read?
//!
//! Prometheus rolls a whole scrape back at the first line that it cannot parse, so one application's mistake would cost
//! all others their data. [`check`] takes what Prometheus' parser of the text format 0.0.4 takes, and names the line where it
//! would stop.
//!
//! | | |
//! |---|---|
//! | accepted | repeated HELP and TYPE, comments, blank lines, leading blanks, a trailing comma in labels, quoted UTF-8 names, a missing last line feed (it is added) |
//! | refused | bad names, labels, values or timestamps, kinds that 0.0.4 does not know (OpenMetrics' `info`, `stateset`, …), exemplars, NUL bytes (Prometheus takes some for the end of input), lines and series above the limits |
//! | removed | `# EOF` lines, which would end an OpenMetrics reader's input in the middle of the joined text |
//!
//! What the stricter parsers of other scrapers refuse (a family in two places, HELP twice) arises by joining, and is not looked at here.

mod error;
mod line;

#[cfg(test)]
mod tests;

pub use error::{ExpositionError, ExpositionErrorKind};

use bytes::{Bytes, BytesMut};
use line::Line;
use std::ops::Range;

/// The limits of one application's text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Series (lines with a value); 200,000 by default.
    pub max_series: usize,
    /// Bytes of one line; 64 KiB by default.
    pub max_line_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_series: 200_000, max_line_len: 64 * 1024 }
    }
}

/// A text that can be joined with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The text: empty, or ending in a line feed; without `# EOF`. The input itself where nothing had to be changed.
    pub text: Bytes,
    /// Lines with a value.
    pub series: usize,
    /// TYPE lines.
    pub families: usize,
}

/// Checks one application's text in one pass, without allocating unless it has to be changed.
pub fn check(text: Bytes, limits: &Limits) -> Result<Checked, ExpositionError> {
    let mut series = 0;
    let mut families = 0;
    let mut removed: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    let mut number = 0;
    while start < text.len() {
        number += 1;
        let rest = text.get(start..).unwrap_or_default();
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let end = (start + len + 1).min(text.len());
        let at = |kind| ExpositionError { line: number, kind };
        if len > limits.max_line_len {
            return Err(at(ExpositionErrorKind::LineTooLong { limit: limits.max_line_len }));
        }
        match line::parse(rest.get(..len).unwrap_or_default()).map_err(at)? {
            Line::Eof => removed.push(start..end),
            Line::Ignored => {}
            Line::Sample => {
                series += 1;
                if series > limits.max_series {
                    return Err(at(ExpositionErrorKind::TooManySeries {
                        limit: limits.max_series,
                    }));
                }
            }
            Line::Type => families += 1,
        }
        start = end;
    }
    Ok(Checked { text: clean(text, &removed), series, families })
}

/// The text without some of its lines, and ending in a line feed.
fn clean(text: Bytes, removed: &[Range<usize>]) -> Bytes {
    let mut kept = BytesMut::new();
    let mut from = 0;
    for lines in removed {
        kept.extend_from_slice(text.get(from..lines.start).unwrap_or_default());
        from = lines.end;
    }
    let rest = text.slice(from.min(text.len())..);
    let is_whole = rest.last().is_none_or(|byte| *byte == b'\n');
    if kept.is_empty() && is_whole {
        return rest;
    }
    kept.extend_from_slice(&rest);
    if !is_whole {
        kept.extend_from_slice(b"\n");
    }
    kept.freeze()
}
