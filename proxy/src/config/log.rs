//! What to log, and how.

use super::value::Choice;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// One line of text for each event.
    Text,
}

impl Choice for LogFormat {
    const CHOICES: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// Checks a level, or several filters as `tracing-subscriber` reads them.
///
/// A single word has to be a level here. `tracing-subscriber` takes any other word for the name of a target, and silences everything else.
pub(super) fn filter(text: &str) -> Result<String, String> {
    // tracing-subscriber 0.3 panics on some texts that are not ASCII.
    if text.is_empty() || !text.is_ascii() {
        return Err(LEVELS.to_owned());
    }
    for directive in text.split(',').filter(|directive| !directive.contains(['[', ']', '{', '}'])) {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level).trim();
        if !level.is_empty() && level.parse::<LevelFilter>().is_err() {
            return Err(format!("{level:?} is no level; {LEVELS}"));
        }
    }
    EnvFilter::try_new(text).map_err(|error| format!("{error}; {LEVELS}"))?;
    Ok(text.to_owned())
}

const LEVELS: &str =
    "it is off, error, warn, info, debug or trace, or a list of these and of target=level";
