//! Names that applications may not use.

use super::cursor::{is_metric, is_plain};
use super::escape::underscores;
use super::reader::Name;
use std::sync::Arc;

/// Metric names that applications may not send: whole names, and prefixes.
///
/// A quoted name is checked in the form that scrapers limited to the legacy character set get: `{"scrape.time"}` begins with `scrape_`, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedNames {
    names: Arc<[Reserved]>,
    /// One bit for each ASCII character that one of them begins with: this alone clears most names of applications.
    first: u128,
}

#[derive(Debug, PartialEq, Eq)]
struct Reserved {
    text: Box<str>,
    is_beginning: bool,
}

impl ReservedNames {
    /// The default: the names of Prometheus's own series, and the proxy's.
    pub const DEFAULT: [&'static str; 5] =
        ["up", "ALERTS", "ALERTS_FOR_STATE", "scrape_*", "prometheus_proxy_*"];

    /// Reserves nothing.
    pub fn none() -> Self {
        Self { names: Arc::default(), first: 0 }
    }

    /// Reserves metric names. A `*` at the end of a name makes it a prefix.
    ///
    /// # Errors
    ///
    /// The first pattern that is neither a metric name of the legacy character set (`[a-zA-Z_:][a-zA-Z0-9_:]*`) nor a non-empty prefix of one.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAName> {
        let mut first = 0;
        let mut names = Vec::new();
        for pattern in patterns {
            let (text, is_beginning) = match pattern.strip_suffix('*') {
                Some(text) => (text, true),
                None => (pattern, false),
            };
            if !is_plain(text.as_bytes(), is_metric) {
                return Err(NotAName(pattern.into()));
            }
            first |= text.bytes().next().map_or(0, bit);
            names.push(Reserved { text: text.into(), is_beginning });
        }
        Ok(Self { names: names.into(), first })
    }

    /// Returns the patterns in the form that [`new`](Self::new) takes.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|Reserved { text, is_beginning }| match is_beginning {
            true => format!("{text}*"),
            false => text.to_string(),
        })
    }

    #[inline]
    pub(super) fn contains(&self, name: &Name<'_>) -> bool {
        if name.is_quoted {
            return self.has(&underscores(&name.plain(), is_metric));
        }
        self.has(name.text.raw)
    }

    #[inline]
    fn has(&self, name: &[u8]) -> bool {
        name.first().is_some_and(|first| self.first & bit(*first) != 0)
            && self.names.iter().any(|reserved| match reserved.is_beginning {
                true => name.starts_with(reserved.text.as_bytes()),
                false => name == reserved.text.as_bytes(),
            })
    }
}

impl Default for ReservedNames {
    fn default() -> Self {
        Self::new(Self::DEFAULT).unwrap_or_else(|_| Self::none())
    }
}

/// The text is not a metric name, nor a prefix of one before a `*`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a metric name, nor the beginning of one with * at its end")]
pub struct NotAName(Box<str>);

/// The bit of an ASCII character. Names that begin with another character are never reserved.
fn bit(byte: u8) -> u128 {
    1_u128.checked_shl(byte.into()).unwrap_or(0)
}
