//! Parsing that both files with credentials share. Values keep their lines.

use super::live::Fault;
use data_encoding::HEXLOWER_PERMISSIVE;
use std::borrow::Cow;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text of a file, from which lines are counted.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl<'a> Text<'a> {
    pub(crate) fn parse(self) -> Result<DeTable<'a>, Fault> {
        let table = DeTable::parse(self.0).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            // The error's own text would quote the line.
            self.fault(at, error.message())
        })?;
        Ok(table.into_inner())
    }

    pub(crate) fn fault(self, at: usize, what: impl Into<String>) -> Fault {
        let before = self.0.as_bytes().get(..at).unwrap_or(self.0.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Fault { line, what: what.into() }
    }

    /// Returns the fault of a value of the wrong type.
    fn kind<T>(self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) -> Result<T, Fault> {
        Err(self.fault(value.span().start, format!("{key}: it is to be {wanted}")))
    }

    pub(super) fn text<'v>(
        self,
        key: &str,
        value: &'v Spanned<DeValue<'_>>,
    ) -> Result<(usize, &'v str), Fault> {
        match value.get_ref() {
            DeValue::String(Cow::Borrowed(text)) => Ok((value.span().start, text)),
            DeValue::String(Cow::Owned(text)) => Ok((value.span().start, text)),
            _ => self.kind(key, value, "a string"),
        }
    }

    /// Reads a string, or a list of strings.
    pub(super) fn texts<'v>(
        self,
        key: &str,
        value: &'v Spanned<DeValue<'_>>,
    ) -> Result<Vec<(usize, &'v str)>, Fault> {
        match value.get_ref() {
            DeValue::Array(values) => values.iter().map(|value| self.text(key, value)).collect(),
            DeValue::String(_) => Ok(vec![self.text(key, value)?]),
            _ => self.kind(key, value, "a string or a list of strings"),
        }
    }

    pub(super) fn table<'v, 'd>(
        self,
        key: &str,
        value: &'v Spanned<DeValue<'d>>,
    ) -> Result<&'v DeTable<'d>, Fault> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => self.kind(key, value, "a table"),
        }
    }

    pub(super) fn tables<'v, 'd>(
        self,
        key: &str,
        value: &'v Spanned<DeValue<'d>>,
    ) -> Result<Vec<(usize, &'v DeTable<'d>)>, Fault> {
        let DeValue::Array(values) = value.get_ref() else {
            return self.kind(key, value, "a list of tables, each headed by [[application]]");
        };
        let tables = values.iter().map(|value| Ok((value.span().start, self.table(key, value)?)));
        tables.collect()
    }
}

/// Parses a SHA-256 in hexadecimal digits.
pub(super) fn sha256(hex: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}
