//! The labels that identify an application.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

/// A set of labels, sorted by name. Cloning is cheap: clones share the set.
///
/// Holds at most [`Labels::MAX_LABELS`] labels. A name is a label name of the Prometheus data model (`[a-zA-Z_][a-zA-Z0-9_]*`)
/// of at most [`Labels::MAX_NAME`] bytes that does not begin with `__`, which Prometheus reserves. A value has 1 to
/// [`Labels::MAX_VALUE`] bytes: to Prometheus, an empty label is an absent one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

impl Labels {
    /// The maximum number of labels in a set.
    pub const MAX_LABELS: usize = 16;
    /// The maximum length of a name, in bytes.
    pub const MAX_NAME: usize = 64;
    /// The maximum length of a value, in bytes.
    pub const MAX_VALUE: usize = 256;

    /// Makes a set from names and values, in any order.
    ///
    /// # Errors
    ///
    /// If a name is not a label name or appears twice, a value is empty, or a limit is exceeded.
    pub fn new<N, V>(labels: impl IntoIterator<Item = (N, V)>) -> Result<Self, LabelError>
    where
        N: Into<Box<str>>,
        V: Into<Box<str>>,
    {
        let mut sorted: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (name, value) in labels {
            let (name, value) = (name.into(), value.into());
            check(&name, &value)?;
            match sorted.binary_search_by(|(other, _)| other.cmp(&name)) {
                Ok(_) => return Err(LabelError::Twice { name }),
                Err(_) if sorted.len() == Self::MAX_LABELS => return Err(LabelError::TooMany),
                Err(position) => sorted.insert(position, (name, value)),
            }
        }
        Ok(Self(sorted.into()))
    }

    /// Returns the value of a label, or `None` if the set does not have it.
    pub fn get(&self, name: &str) -> Option<&str> {
        let position = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.0.get(position).map(|(_, value)| &**value)
    }

    /// Iterates over names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// As in the text format: `{application="orders",instance="a1"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (position, (name, value)) in self.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{name}=\"{}\"", Escaped(value))?;
        }
        f.write_str("}")
    }
}

/// A label's value as written between quotes in the text format, with backslash, quote and line feed escaped.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(position) = rest.find(['\\', '"', '\n']) {
            let (before, special) = rest.split_at_checked(position).unwrap_or((rest, ""));
            f.write_str(before)?;
            let mut after = special.chars();
            f.write_str(match after.next() {
                Some('\n') => "\\n",
                Some('"') => "\\\"",
                _ => "\\\\",
            })?;
            rest = after.as_str();
        }
        f.write_str(rest)
    }
}

/// Why a set of labels is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// Not a label name, or one that begins with `__`.
    #[error(
        "{name:?} is not a label name: letters, digits and _, not beginning with a digit or __"
    )]
    Name {
        /// The name.
        name: Box<str>,
    },
    /// The name is longer than [`Labels::MAX_NAME`].
    #[error("a label name of {len} bytes is over the limit of {}", Labels::MAX_NAME)]
    NameTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// There are more than [`Labels::MAX_LABELS`].
    #[error("more than {} labels", Labels::MAX_LABELS)]
    TooMany,
    /// A name appears twice.
    #[error("the label {name} appears twice")]
    Twice {
        /// The name.
        name: Box<str>,
    },
    /// A value is empty.
    #[error("the label {name} has an empty value")]
    ValueEmpty {
        /// The label's name.
        name: Box<str>,
    },
    /// The value is longer than [`Labels::MAX_VALUE`].
    #[error("the label {name} has a value of {len} bytes, over the limit of {}", Labels::MAX_VALUE)]
    ValueTooLong {
        /// The label's name.
        name: Box<str>,
        /// The value's length in bytes.
        len: usize,
    },
}

fn check(name: &str, value: &str) -> Result<(), LabelError> {
    if name.len() > Labels::MAX_NAME {
        return Err(LabelError::NameTooLong { len: name.len() });
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_with_digit = name.bytes().next().is_none_or(|byte| byte.is_ascii_digit());
    if starts_with_digit || name.starts_with("__") || !name.bytes().all(is_part) {
        return Err(LabelError::Name { name: name.into() });
    }
    if value.is_empty() {
        return Err(LabelError::ValueEmpty { name: name.into() });
    }
    if value.len() > Labels::MAX_VALUE {
        return Err(LabelError::ValueTooLong { name: name.into(), len: value.len() });
    }
    Ok(())
}
