//! Reads one application's metrics text, and renders it for a scraper.
//!
//! Prometheus drops a whole scrape at the first line that it cannot read. A proxy that joins the texts of many applications
//! therefore has to find such lines itself. [`read`] reads a text once, without copying it, and returns the [`Facts`]: its
//! format, its number of samples, a fingerprint of every series, and whether the text can be served verbatim. [`render`] writes
//! it in the format and with the names that a scraper accepts; [`group`] merges several texts family by family. All of them
//! share one reader, so they make the same decisions.
//!
//! # Accepted input
//!
//! * The Prometheus text format 0.0.4, as Prometheus itself reads it. A line that Prometheus reads and strict parsers
//!   (promtool, Pushgateway, Telegraf) refuse is rewritten: stray backslashes and raw line feeds in label values are escaped,
//!   missing commas between labels are inserted, and blanks before a name are removed. `HELP` lines whose name is cut short by
//!   a character that no name may have are dropped, as are comments that are not UTF-8.
//! * OpenMetrics 1.0, recognised by its final `# EOF` line. A text with that line that is not valid OpenMetrics is read as 0.0.4.
//!
//! A line that Prometheus refuses is handled as [`OnBadLine`] says. NUL bytes are refused everywhere, since Prometheus takes
//! some of them for the end of the text and silently loses the rest. Families with names that Prometheus or the proxy gives to
//! its own series, such as `up`, are left out: see [`ReservedNames`].
//!
//! # Fingerprints
//!
//! Two samples have the same fingerprint if and only if they belong to the same series, whatever the order of their labels, up to collisions of a
//! 64-bit hash. Fingerprints are keyed by [`Source::seed`], so only those with the same seed can be compared.

mod cursor;
mod error;
mod escape;
mod facts;
mod families;
pub mod filter;
mod float;
pub mod group;
mod reader;
mod render;
mod reserved;
mod series;
#[cfg(test)]
mod tests;
mod time;
mod write;

pub use self::error::{ExpositionError, ExpositionErrorKind, Found, MAX_EXCERPT};
pub use self::facts::{Facts, Reduced, SourceFormat, read, read_as, source_format};
pub use self::families::{Families, Family, MAX_FAMILIES, MAX_HELP, MAX_NAME, families};
pub use self::render::{render, to_text004};
pub use self::reserved::{NotAName, ReservedNames};

use crate::labels::Labels;
use std::sync::Arc;

/// What is accepted in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The limits of one text.
    pub limits: Limits,
    /// What happens to a line that Prometheus refuses.
    pub on_bad_line: OnBadLine,
    /// Names of labels that identify an application, to look for in its text.
    pub identity_labels: Arc<[Box<str>]>,
    /// Names whose families are left out, whatever [`on_bad_line`](Self::on_bad_line) says.
    pub reserved: ReservedNames,
}

/// What happens to a bad line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadLine {
    /// The text is refused.
    #[default]
    DropApplication,
    /// The family of the line is left out. If the line's family is unknown, the previous family is left out with it.
    DropFamily,
}

/// The limits of one text. By default only the length of the text limits anything, since Prometheus has no limits by default either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum length of a text, in bytes.
    pub max_text_len: usize,
    /// The maximum length of a line, in bytes without its line feed.
    pub max_line_len: usize,
    /// The maximum number of labels of a series.
    pub max_labels: usize,
    /// The maximum number of series, counted as samples.
    pub max_series: usize,
    /// The maximum number of families, counted as `TYPE` lines.
    pub max_families: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_text_len: usize::MAX,
            max_line_len: usize::MAX,
            max_labels: usize::MAX,
            max_series: usize::MAX,
            max_families: usize::MAX,
        }
    }
}

/// When the labels that an application declares in SETUP are added to its series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inject {
    /// If a series does not have a label of that name, or has it with an empty value.
    #[default]
    Missing,
    /// Always. They replace labels of the same names.
    Always,
    /// Never.
    Never,
}

/// A text from one application.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The text.
    pub text: &'a [u8],
    /// The labels that the application declares in SETUP.
    pub identity: &'a Labels,
    /// When these labels are added.
    pub inject: Inject,
    /// The key of the fingerprints, which should be random.
    pub seed: u64,
}

/// What a scraper accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The format of the answer.
    pub format: Format,
    /// How names are escaped.
    pub escaping: Escaping,
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics1,
    /// Prometheus text 0.0.4.
    Text004,
}

/// How names outside the legacy character set are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// In quotes, unchanged.
    AllowUtf8,
    /// With an underscore in place of every character outside the legacy set.
    Underscores,
}
