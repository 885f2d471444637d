use memchr::memchr_iter;

/// The first line of a text that cannot be joined with others.
///
/// Says where and what, but never quotes the text, so that it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {column}: {kind}")]
#[non_exhaustive]
pub struct ExpositionError {
    /// The line, counted from 1.
    pub line: usize,
    /// The byte of the line, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: ExpositionErrorKind,
}

impl ExpositionError {
    pub(super) fn at(text: &[u8], position: usize, kind: ExpositionErrorKind) -> Self {
        let before = text.get(..position).unwrap_or(text);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self {
            line: memchr_iter(b'\n', before).count() + 1,
            column: before.len() - line_start + 1,
            kind,
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpositionErrorKind {
    /// An escape other than `\\`, `\"` and `\n` in quotes.
    #[error("an escape other than \\\\, \\\" and \\n")]
    Escape,
    /// An exemplar, or a comment, after the value. Exemplars are OpenMetrics.
    #[error("an exemplar or a comment after the value, which the text format 0.0.4 does not have")]
    Exemplar,
    /// Something else than what has to stand here.
    #[error("{0} is missing")]
    Expected(&'static str),
    /// A label's name is empty or holds a character that it may not.
    #[error("not a label name")]
    LabelName,
    /// A label's name is `__name__`, which is the metric's.
    #[error("the label name __name__ is reserved")]
    LabelNameReserved,
    /// A label is there twice in one series.
    #[error("a label that the series has already")]
    LabelTwice,
    /// A line is too long.
    #[error("the line has {len} bytes, more than {limit}")]
    LineTooLong {
        /// Its bytes.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A metric's name is empty or holds a character that it may not.
    #[error("not a metric name")]
    MetricName,
    /// A series without a metric's name.
    #[error("the series has no metric name")]
    MetricNameMissing,
    /// A series with two metrics' names, one before and one inside the braces, or two inside.
    #[error("the series has a metric name already")]
    MetricNameTwice,
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A NUL byte, which Prometheus can take for the end of the text.
    #[error("a NUL byte")]
    Nul,
    /// A `TYPE` that only OpenMetrics has.
    #[error("the type {0} of OpenMetrics, which the text format 0.0.4 does not have")]
    OpenMetricsType(&'static str),
    /// A timestamp that is not a whole number of milliseconds from 0 to 2^63 - 1.
    #[error("not a timestamp in whole milliseconds")]
    Timestamp,
    /// A series has too many labels.
    #[error("the series has more than {limit} labels")]
    TooManyLabels {
        /// Labels allowed.
        limit: usize,
    },
    /// The text has too many series.
    #[error("there are more than {limit} series")]
    TooManySeries {
        /// Series allowed.
        limit: usize,
    },
    /// Something after the timestamp, or after what should be one.
    #[error("something after the timestamp")]
    Trailing,
    /// A `TYPE` that is none, or is not right after one blank, or not at the end of the line.
    #[error("not a metric type")]
    Type,
    /// Quotes without an end in the same line.
    #[error("quotes that do not end in this line")]
    Unterminated,
    /// A value that is not a number.
    #[error("not a number")]
    Value,
    /// A value beyond what a double-precision number can hold.
    #[error("a number too large for double precision")]
    ValueRange,
}
