use regex_lite::{Regex, RegexBuilder};
use std::fmt;
use std::str::FromStr;

/// A pattern for names of families: a glob, in which `*` stands for any characters and `?` for one, or a regular expression
/// between two slashes, which must match the whole name: `go_*`, `/(go|jvm)_.+/`.
///
/// At most [`Pattern::MAX_LEN`] bytes. Regular expressions are those of the crate `regex-lite`, which take time proportional to
/// the name's length and have no Unicode classes.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

/// The text is not a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {reason}")]
pub struct PatternError {
    text: Box<str>,
    reason: String,
}

impl Pattern {
    /// The maximum length of a pattern, in bytes.
    pub const MAX_LEN: usize = 1024;

    /// Whether the pattern matches this name.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let shown: String = text.chars().take(64).collect();
        let error = |reason: String| PatternError { text: shown.as_str().into(), reason };
        if text.is_empty() {
            return Err(error("it is empty".to_owned()));
        }
        if text.len() > Self::MAX_LEN {
            return Err(error(format!("it is longer than {} bytes", Self::MAX_LEN)));
        }
        let expression = match text.strip_prefix('/') {
            Some(rest) => rest
                .strip_suffix('/')
                .ok_or_else(|| error("a regular expression ends with /, too".to_owned()))?
                .to_owned(),
            None => of_glob(text),
        };
        let compile = |expression: &str| {
            let built = RegexBuilder::new(expression)
                .size_limit(SIZE_MAX)
                .dot_matches_new_line(true)
                .build();
            built.map_err(|it| error(it.to_string()))
        };
        // Compiled by itself first: an extra bracket could close the one that anchors it.
        compile(&expression)?;
        let regex = compile(&format!("^(?:{expression})$"))?;
        Ok(Self { text: text.into(), regex })
    }
}

fn of_glob(glob: &str) -> String {
    let mut expression = String::with_capacity(2 * glob.len());
    for part in glob.split_inclusive(['*', '?']) {
        let (plain, wild) = match (part.strip_suffix('*'), part.strip_suffix('?')) {
            (Some(plain), _) => (plain, ".*"),
            (_, Some(plain)) => (plain, "."),
            (None, None) => (part, ""),
        };
        expression.push_str(&regex_lite::escape(plain));
        expression.push_str(wild);
    }
    expression
}

/// The maximum size of a compiled expression, in bytes.
const SIZE_MAX: usize = 256 * 1024;

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
