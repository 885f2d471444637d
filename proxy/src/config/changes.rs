//! The differences between two configurations, and which of them take effect without a restart.

use super::error::ConfigError;
use super::settings::{self, Change, Config, Draft};

/// A setting that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The name of its option.
    pub(crate) name: String,
    /// The old value, as it is written; `unset` if there was none.
    pub(crate) old: String,
    pub(crate) new: String,
    /// Whether the change takes effect without a restart.
    pub(crate) is_live: bool,
}

impl Config {
    /// Returns the settings that are different in another configuration.
    pub(crate) fn changes(&self, other: &Self) -> Vec<Changed> {
        let shown = |text: Option<String>| text.unwrap_or_else(|| "unset".to_owned());
        let changes = settings::all().filter_map(|setting| {
            let (old, new) = ((setting.show)(self), (setting.show)(other));
            (old != new).then(|| Changed {
                name: setting.name(),
                old: shown(old),
                new: shown(new),
                is_live: setting.change == Change::Live,
            })
        });
        changes.collect()
    }

    /// Returns this configuration with those settings of another one that take effect without a restart.
    ///
    /// # Errors
    ///
    /// The settings of the two do not fit together.
    pub(crate) fn adopt(&self, other: &Self) -> Result<Self, ConfigError> {
        let mut draft = Draft { config: self.clone(), ..Draft::default() };
        for setting in settings::all().filter(|setting| setting.change == Change::Live) {
            let Some(text) = (setting.show)(other) else { continue };
            (setting.set)(&mut draft, &text).map_err(|reason| {
                ConfigError::Conflict(format!(
                    "invalid value '{text}' for --{}: {reason}",
                    setting.name()
                ))
            })?;
        }
        let conflicts = draft.config.conflicts();
        ConfigError::all(conflicts).map_or(Ok(draft.config), Err)
    }
}
