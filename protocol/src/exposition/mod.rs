//! Reads one application's metrics text, and renders it for a scraper.
//!
//! Prometheus drops a whole scrape at the first line that it cannot read. A proxy that joins the texts of many applications
//! therefore has to find such lines itself. [`read`] reads a text once, without copying it, and returns the [`Facts`]: its format,
//! its number of samples, a fingerprint of every series, and whether the text can be served as it came. [`render`] writes it in the format
//! and with the names that a scraper accepts; [`group`] merges several texts family by family. All of them use one reader, so
//! that they make the same decisions.
//!
//! # Accepted input
//!
//! * The Prometheus text format, version 0.0.4, as Prometheus itself reads it. Where strict parsers (promtool, Pushgateway, Telegraf)
//!   would refuse a line that Prometheus reads, it is rewritten: stray backslashes and raw line feeds in label values are escaped,
//!   missing commas between labels are inserted, blanks before a name are removed, and `HELP` lines whose name is cut short by a character
//!   that no name may have are dropped, as are comments that are not UTF-8.
//! * OpenMetrics 1.0, recognised by its final `# EOF` line. A text with such a line that is not OpenMetrics is read as 0.0.4.
//!
//! What Prometheus refuses is refused, as [`OnBadLine`] says. NUL bytes are refused everywhere, since Prometheus takes some of them for the
//! end of the text and silently loses what follows. Families with names that Prometheus or the proxy gives to its own series, such as `up`,
//! are left out: see [`ReservedNames`].
//!
//! # Fingerprints
//!
//! Two samples have the same fingerprint if and only if they are of the same series, whatever the order of their labels, up to
//! collisions of a 64-bit hash. They are keyed by [`Source::seed`]: only fingerprints of the same seed can be compared.

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

pub use self::error::{ExpositionError, ExpositionErrorKind, Found};
pub use self::facts::{Facts, Reduced, SourceFormat, read, read_as, source_format};
pub use self::families::{Families, Family, MAX_FAMILIES, MAX_HELP, MAX_NAME, families};
pub use self::render::{render, to_text004};
pub use self::reserved::{NotAName, ReservedNames};

use crate::labels::Labels;
use std::sync::Arc;

/// The decisions on every text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The limits of one text.
    pub limits: Limits,
    /// The consequence of a line that Prometheus refuses.
    pub on_bad_line: OnBadLine,
    /// Names of labels that identify an application, to be looked for in its text.
    pub identity_labels: Arc<[Box<str>]>,
    /// Names whose families are left out, whatever [`on_bad_line`](Self::on_bad_line) says.
    pub reserved: ReservedNames,
}

/// The consequence of a bad line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadLine {
    /// The text is refused.
    #[default]
    DropApplication,
    /// The family that the line belongs to is left out. A line whose family cannot be told takes the family before it along.
    DropFamily,
}

/// The limits of one text. Prometheus has none by default, and so the defaults here are what the length of the text allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in bytes.
    pub max_text_len: usize,
    /// The longest line, in bytes without its line feed.
    pub max_line_len: usize,
    /// The most labels of a series.
    pub max_labels: usize,
    /// The most series, counted as samples.
    pub max_series: usize,
    /// The most families, counted as `TYPE` lines.
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

/// When the labels that an application said in its SETUP are added to its series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inject {
    /// Where a series does not have a label of that name, or has it with an empty value.
    #[default]
    Missing,
    /// Always. They replace labels of the same names.
    Always,
    /// Never.
    Never,
}

/// What one application sent.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The text.
    pub text: &'a [u8],
    /// The labels that the application said in its SETUP.
    pub identity: &'a Labels,
    /// When these are added.
    pub inject: Inject,
    /// The key of the fingerprints, to be drawn at random.
    pub seed: u64,
}

/// What a scraper accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The format.
    pub format: Format,
    /// The names.
    pub escaping: Escaping,
}

/// A format of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics1,
    /// Prometheus text 0.0.4.
    Text004,
}

/// What becomes of names that the legacy character set does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// They stay, in quotes.
    AllowUtf8,
    /// Every character outside the legacy set becomes an underscore.
    Underscores,
}
