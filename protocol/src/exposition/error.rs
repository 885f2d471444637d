/// Where and why Prometheus could not read a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct ExpositionError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: ExpositionErrorKind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpositionErrorKind {
    /// An escape at the end of a line, or a quoted text that does not end on it.
    #[error("a quoted text does not end on its line")]
    Unterminated,
    /// An exemplar, which is OpenMetrics.
    #[error("an exemplar, which this format does not have")]
    Exemplar,
    /// The labels.
    #[error("in the labels, {expected} was expected")]
    Labels {
        /// What should stand there.
        expected: &'static str,
    },
    /// A line over the limit.
    #[error("longer than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// No metric's name where one should be.
    #[error("no metric name")]
    Name,
    /// A NUL byte, which Prometheus may take for the end of its input.
    #[error("a NUL byte")]
    Nul,
    /// Something behind the value and the timestamp.
    #[error("something follows the value and the timestamp")]
    Trailing,
    /// The timestamp is no whole number of milliseconds.
    #[error("the timestamp is not a whole number of milliseconds")]
    Timestamp,
    /// Series over the limit.
    #[error("more than {limit} series")]
    TooManySeries {
        /// The limit.
        limit: usize,
    },
    /// A TYPE line of a kind that this format does not know.
    #[error("the kind of a TYPE line is none of counter, gauge, histogram, summary, untyped")]
    Type,
    /// No number where the value should be.
    #[error("the value is not a number")]
    Value,
}
