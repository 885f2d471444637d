use memchr::memchr_iter;
use std::fmt;

/// The first fault of a text.
///
/// Names the place and the single byte or character there, but never quotes more of the text, so it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {column}: {kind}{found}")]
#[non_exhaustive]
pub struct ExpositionError {
    /// The line, counted from 1.
    pub line: usize,
    /// The byte within the line, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: ExpositionErrorKind,
    /// What is at that place.
    pub found: Found,
}

impl ExpositionError {
    /// The line of `text` that is at fault, at most [`MAX_EXCERPT`] bytes of it around the fault, with `…` where it is cut and `U+FFFD` for what is
    /// not UTF-8. `None` if the text as a whole is at fault. `text` is the text that was read.
    ///
    /// The owner of a proxy may see it, who can read all metrics; the error itself quotes nothing, so that it can be sent to a peer.
    pub fn excerpt(&self, text: &[u8]) -> Option<String> {
        if self.kind.is_of_the_text() {
            return None;
        }
        let mut lines = text.split(|byte| *byte == b'\n');
        let line = lines.nth(self.line.saturating_sub(1)).unwrap_or_default();
        let fault = self.column.saturating_sub(1).min(line.len());
        let end = line.len().min(fault.saturating_sub(MAX_EXCERPT / 2) + MAX_EXCERPT);
        let start = end.saturating_sub(MAX_EXCERPT);
        // A cut inside a character leaves up to three bytes that are part of none.
        let is_part = |byte: &u8| byte & 0xc0 == 0x80;
        let cut = line.get(start..end).unwrap_or_default();
        let skipped = match start {
            0 => 0,
            _ => cut.iter().take(3).take_while(|byte| is_part(byte)).count(),
        };
        let mut excerpt = String::from(if start > 0 { "…" } else { "" });
        let mut chunks = cut.get(skipped..).unwrap_or_default().utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            excerpt.push_str(chunk.valid());
            let is_cut = chunks.peek().is_none() && end < line.len();
            if !chunk.invalid().is_empty() && !is_cut {
                excerpt.push('\u{fffd}');
            }
        }
        if end < line.len() {
            excerpt.push('…');
        }
        Some(excerpt)
    }

    pub(super) fn at(text: &[u8], fault: Fault) -> Self {
        let Fault { mut position, mut kind } = fault;
        let after = text.get(position..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', after).unwrap_or(after.len());
        let rest = after.get(..line_end).unwrap_or_default();
        if kind.may_be_a_carriage_return() && rest.ends_with(b"\r") {
            position += line_end - 1;
            kind = ExpositionErrorKind::CarriageReturn;
        }
        let before = text.get(..position).unwrap_or(text);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let found = match kind {
            kind if kind.is_of_the_whole_line() => Found::Nothing,
            _ => Found::at(text.get(position..).unwrap_or_default()),
        };
        Self {
            line: memchr_iter(b'\n', before).count() + 1,
            column: before.len() - line_start + 1,
            kind,
            found,
        }
    }
}

/// Bytes of a line that [`ExpositionError::excerpt`] has at most.
pub const MAX_EXCERPT: usize = 160;

/// A fault at a position of the text, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) position: usize,
    pub(super) kind: ExpositionErrorKind,
}

/// What is at the place of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// A byte that is not part of a character.
    Byte(u8),
    /// A character.
    Char(char),
    /// The end of the line or of the text.
    End,
    /// Nothing that would explain the fault, which concerns the whole line or text.
    Nothing,
}

impl Found {
    fn at(text: &[u8]) -> Self {
        let Some(&first) = text.first() else { return Self::End };
        if first == b'\n' {
            return Self::End;
        }
        let width = text.len().min(4);
        let chunk = text.get(..width).unwrap_or_default();
        let valid = chunk.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        valid.chars().next().map_or(Self::Byte(first), Self::Char)
    }
}

/// Appended to the fault: `, found 'x'`.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, ", found the byte 0x{byte:02x}"),
            Self::Char(' ') => f.write_str(", found a blank"),
            Self::Char('\t') => f.write_str(", found a tab"),
            Self::Char('\r') => f.write_str(", found a carriage return"),
            Self::Char('\u{feff}') => f.write_str(", found a byte order mark"),
            Self::Char(char) if char.is_control() || char.is_whitespace() => {
                write!(f, ", found the character U+{:04X}", u32::from(*char))
            }
            Self::Char(char) => write!(f, ", found {char:?}"),
            Self::End => f.write_str(", found the end of the line"),
            Self::Nothing => Ok(()),
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpositionErrorKind {
    /// A line ends in a carriage return. The text formats allow only a line feed.
    #[error("a carriage return ends the line, where a line feed alone may")]
    CarriageReturn,
    /// An exemplar or a comment after the value. Only OpenMetrics has exemplars.
    #[error("an exemplar or a comment after the value, which the text format 0.0.4 does not have")]
    Exemplar,
    /// Something required is missing here.
    #[error("{0} is missing")]
    Expected(&'static str),
    /// A label's name is empty or has a character that it may not have.
    #[error("not a label name")]
    LabelName,
    /// A label is named `__name__`, which is the name of the metric.
    #[error("the label name __name__ is reserved")]
    LabelNameReserved,
    /// A series has the same label twice.
    #[error("a label that the series has already")]
    LabelTwice,
    /// A line is too long.
    #[error("the line has {len} bytes, more than the limit of {limit}")]
    LineTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A metric's name is empty or has a character that it may not have.
    #[error("not a metric name")]
    MetricName,
    /// A sample without a metric name.
    #[error("the series has no metric name")]
    MetricNameMissing,
    /// A metric name that applications may not use ([`Policy::reserved`](super::Policy::reserved)).
    #[error("a metric name that is reserved for Prometheus or the proxy")]
    MetricNameReserved,
    /// A sample with two metric names: one before and one inside the braces, or two inside.
    #[error("the series has a metric name already")]
    MetricNameTwice,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A NUL byte, which Prometheus can take for the end of the text.
    #[error("a NUL byte")]
    Nul,
    /// A `TYPE` that only OpenMetrics has.
    #[error("the type {0} of OpenMetrics, which the text format 0.0.4 does not have")]
    OpenMetricsType(&'static str),
    /// The text is too long.
    #[error("the text has {len} bytes, more than the limit of {limit}")]
    TextTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A timestamp that is not a whole number of milliseconds from 0 to 2^63 - 1 or, in OpenMetrics, not a number of seconds.
    #[error("not a timestamp")]
    Timestamp,
    /// The text has too many families.
    #[error("there are more families than the limit of {limit}")]
    TooManyFamilies {
        /// The limit.
        limit: usize,
    },
    /// A series has too many labels.
    #[error("the series has more labels than the limit of {limit}")]
    TooManyLabels {
        /// The limit.
        limit: usize,
    },
    /// The text has too many series.
    #[error("there are more series than the limit of {limit}")]
    TooManySeries {
        /// The limit.
        limit: usize,
    },
    /// Something after the timestamp, or in its place.
    #[error("something after the timestamp")]
    Trailing,
    /// An unknown `TYPE`, or one that does not follow a single blank or does not end the line.
    #[error("not a metric type")]
    Type,
    /// A `UNIT` that the metric's name does not end with.
    #[error("the unit is not the end of the metric name")]
    Unit,
    /// A closing quote is missing.
    #[error("quotes that are not closed")]
    Unterminated,
    /// A value that is not a number.
    #[error("not a number")]
    Value,
    /// A value that overflows a double-precision number.
    #[error("a number too large for double precision")]
    ValueRange,
}

impl ExpositionErrorKind {
    /// Whether a carriage return at the end of the line explains it better.
    fn may_be_a_carriage_return(self) -> bool {
        matches!(
            self,
            Self::MetricName | Self::Timestamp | Self::Trailing | Self::Type | Self::Value
        )
    }

    /// Whether the byte at its place says nothing about it.
    fn is_of_the_whole_line(self) -> bool {
        matches!(
            self,
            Self::CarriageReturn
                | Self::LabelNameReserved
                | Self::LabelTwice
                | Self::LineTooLong { .. }
                | Self::MetricNameMissing
                | Self::MetricNameReserved
                | Self::MetricNameTwice
                | Self::Nul
                | Self::OpenMetricsType(_)
                | Self::TextTooLong { .. }
                | Self::TooManyFamilies { .. }
                | Self::TooManyLabels { .. }
                | Self::TooManySeries { .. }
                | Self::Unterminated
                | Self::ValueRange
        )
    }

    /// Whether it concerns the whole text, so that leaving out a family does not help.
    pub(super) fn is_of_the_text(self) -> bool {
        matches!(
            self,
            Self::TextTooLong { .. } | Self::TooManyFamilies { .. } | Self::TooManySeries { .. }
        )
    }
}
