use crate::fetch::{ScrapeOptions, ScrapeUrl};
use prometheus_rsocket_client::{LabelError, Labels, hostname};
use prometheus_rsocket_protocol::exposition::filter::{Filter, FilterError, Pattern};
use std::collections::BTreeMap;

/// A program that is relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Distinguishes it from other targets, in the log and when the file changes.
    pub(crate) name: String,
    pub(crate) url: ScrapeUrl,
    /// All labels that the proxy receives.
    pub(crate) labels: Labels,
    pub(crate) options: ScrapeOptions,
}

/// Defaults for targets.
#[derive(Clone, Debug)]
pub(crate) struct TargetDefaults {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) options: ScrapeOptions,
    pub(crate) filters: Filters,
}

/// The lists from which a filter is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) allow: Vec<Pattern>,
    pub(crate) deny: Vec<Pattern>,
    pub(crate) drop_labels: Vec<String>,
    pub(crate) is_without_help: bool,
}

impl Filters {
    pub(crate) fn filter(&self) -> Result<Filter, FilterError> {
        let mut filter = Filter::default();
        self.allow.iter().try_for_each(|pattern| filter.allow(pattern.clone()))?;
        self.deny.iter().try_for_each(|pattern| filter.deny(pattern.clone()))?;
        self.drop_labels.iter().try_for_each(|label| filter.drop_label(label))?;
        if self.is_without_help {
            filter.without_help();
        }
        Ok(filter)
    }
}

impl TargetDefaults {
    /// Returns the labels of a target: its own, the common ones, and an `instance` if neither has one.
    pub(crate) fn labels(
        &self,
        own: impl IntoIterator<Item = (String, String)>,
        instance: impl FnOnce() -> Option<String>,
    ) -> Result<Labels, LabelError> {
        let mut labels: BTreeMap<String, String> = self.labels.iter().cloned().collect();
        labels.extend(own);
        if !labels.contains_key("instance") {
            labels.extend(instance().map(|instance| ("instance".to_owned(), instance)));
        }
        Labels::new(labels)
    }
}

/// Returns the default name of a target: `HOST:PORT`. If it is on this machine, the machine's name replaces the host, which would identify nothing.
pub(crate) fn default_name(url: &ScrapeUrl) -> String {
    url.instance().unwrap_or_else(|| {
        let host = hostname().unwrap_or_else(|| url.host().to_owned());
        format!("{host}:{}", url.place())
    })
}

/// Returns whether this is a valid name for a target: letters, digits and `_.:@-`, at most 128 of them.
pub(crate) fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte);
    !name.is_empty() && name.len() <= 128 && name.bytes().all(is_part)
}
