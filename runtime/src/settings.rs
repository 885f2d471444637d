//! What programs read their settings with: TOML whose faults have lines, and the name that a misspelt one was likely meant to be.

use std::borrow::Cow;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[cfg(test)]
mod tests;

/// A fault in a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// A text in TOML, from which lines are counted. Faults never quote it, since it may contain secrets.
#[derive(Clone, Copy, Debug)]
pub struct TomlText<'a>(pub &'a str);

impl<'a> TomlText<'a> {
    /// Parses the text. Values keep their positions.
    ///
    /// # Errors
    ///
    /// It is not TOML.
    pub fn parse(self) -> Result<DeTable<'a>, Fault> {
        let table = DeTable::parse(self.0).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            // The error's own text would quote the line.
            self.fault(at, error.message())
        })?;
        Ok(table.into_inner())
    }

    /// Returns a fault at a position, in bytes.
    pub fn fault(self, at: usize, what: impl Into<String>) -> Fault {
        let before = self.0.as_bytes().get(..at).unwrap_or(self.0.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Fault { line, what: what.into() }
    }

    /// Says what a value must be, which is not of that type.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn wrong_type<T>(
        self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        right: &str,
    ) -> Result<T, Fault> {
        Err(self.fault(value.span().start, format!("{key}: must be {right}")))
    }

    /// Returns the string under a key.
    ///
    /// # Errors
    ///
    /// It is not a string.
    pub fn string<'v>(self, key: &str, value: &'v Spanned<DeValue<'_>>) -> Result<&'v str, Fault> {
        match value.get_ref() {
            DeValue::String(Cow::Borrowed(text)) => Ok(text),
            DeValue::String(Cow::Owned(text)) => Ok(text),
            _ => self.wrong_type(key, value, "a string"),
        }
    }

    /// Returns the elements of a list of strings, each with its position.
    ///
    /// # Errors
    ///
    /// It is not a list, or one of its elements is not a string.
    pub fn strings<'v>(
        self,
        key: &str,
        value: &'v Spanned<DeValue<'_>>,
    ) -> Result<Vec<(usize, &'v str)>, Fault> {
        let DeValue::Array(values) = value.get_ref() else {
            return self.wrong_type(key, value, "a list of strings");
        };
        values.iter().map(|value| Ok((value.span().start, self.string(key, value)?))).collect()
    }

    /// Returns the table under a key.
    ///
    /// # Errors
    ///
    /// It is not a table.
    pub fn table<'v, 'd>(
        self,
        key: &str,
        value: &'v Spanned<DeValue<'d>>,
    ) -> Result<&'v DeTable<'d>, Fault> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => self.wrong_type(key, value, "a table"),
        }
    }

    /// Returns the tables that are headed by `[[key]]`, each with its position.
    ///
    /// # Errors
    ///
    /// It is not a list, or one of its elements is not a table.
    pub fn tables<'v, 'd>(
        self,
        key: &str,
        value: &'v Spanned<DeValue<'d>>,
    ) -> Result<Vec<(usize, &'v DeTable<'d>)>, Fault> {
        let DeValue::Array(values) = value.get_ref() else {
            let right = format!("a list of tables, each headed by [[{key}]]");
            return self.wrong_type(key, value, &right);
        };
        values.iter().map(|value| Ok((value.span().start, self.table(key, value)?))).collect()
    }
}

/// Returns the name that is most similar to another; `None` if there are no names.
pub fn nearest<N: AsRef<str>>(name: &str, names: impl IntoIterator<Item = N>) -> Option<N> {
    let likeness = |known: &N| strsim::jaro_winkler(name, known.as_ref());
    names.into_iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}
