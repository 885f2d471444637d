//! Prometheus' JSON of `file_sd`.

use super::file::Fault;
use super::target::default_name;
use super::{MAX_TARGETS, Target, TargetDefaults};
use crate::cli::duration;
use crate::fetch::ScrapeUrl;
use prometheus_rsocket_client::Labels;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Parses targets as Prometheus would, without relabelling: `__scheme__`, `__metrics_path__`, `__param_*` and `__scrape_timeout__` say how a target
/// is scraped, and are then dropped with all other labels that begin with `__`.
pub(super) fn parse(text: &str, defaults: &TargetDefaults) -> Result<Vec<Target>, Fault> {
    let groups: Vec<Group> = serde_json::from_str(text)
        .map_err(|error| Fault { line: Some(error.line()), what: error.to_string() })?;
    let mut targets: Vec<Target> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        for address in &group.targets {
            let target = target(address, &group.labels, defaults).map_err(|what| {
                let what = format!("group {}, target {address:?}: {what}", number + 1);
                Fault { line: None, what }
            })?;
            // As in Prometheus, duplicates count once.
            if targets.len() > MAX_TARGETS || !targets.contains(&target) {
                targets.push(target);
            }
            if targets.len() > MAX_TARGETS {
                let what = format!("more than {MAX_TARGETS} targets");
                return Err(Fault { line: None, what });
            }
        }
    }
    name_apart(&mut targets);
    Ok(targets)
}

fn target(
    address: &str,
    labels: &BTreeMap<String, String>,
    defaults: &TargetDefaults,
) -> Result<Target, String> {
    let meta = |name: &str| labels.get(name).map(String::as_str).filter(|it| !it.is_empty());
    if address.is_empty() || address.contains(['/', '?', '#']) {
        return Err("it should be HOST:PORT; __metrics_path__ is the label for a path".to_owned());
    }
    let scheme = meta("__scheme__").unwrap_or("http");
    let path = meta("__metrics_path__").unwrap_or("/metrics");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut url = format!("{scheme}://{address}{slash}{path}");
    let mut separator = if path.contains('?') { '&' } else { '?' };
    for (name, value) in labels {
        let Some(name) = name.strip_prefix("__param_") else { continue };
        // Writing to a string does not fail.
        let _ = write!(url, "{separator}{}={}", Encoded(name), Encoded(value));
        separator = '&';
    }
    let url: ScrapeUrl = url.parse()?;
    let mut options = defaults.options.clone();
    if let Some(text) = meta("__scrape_timeout__") {
        options.timeout = duration(text).map_err(|it| format!("__scrape_timeout__: {it}"))?;
    }
    let own = labels.iter().filter(|(name, value)| !name.starts_with("__") && !value.is_empty());
    let own = own.map(|(name, value)| (name.clone(), value.clone()));
    let labels = defaults.labels(own, || Some(default_name(&url)));
    let labels = labels.map_err(|error| error.to_string())?;
    let name = labels.get("instance").unwrap_or_default().to_owned();
    Ok(Target { name, url, labels, options })
}

/// Renames targets that share a name: their names become all of their labels.
fn name_apart(targets: &mut [Target]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for target in targets.iter() {
        *counts.entry(target.name.clone()).or_default() += 1;
    }
    for target in targets {
        if counts.get(&target.name).is_some_and(|count| *count > 1) {
            let labels = target.labels.to_string();
            target.name = match labels.len() {
                0..=Labels::MAX_VALUE => labels,
                // The name has to be a valid value of a label.
                _ => format!("{:016x}", hash(&labels)),
            };
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Percent-encodes everything in a part of a query except letters, digits and `-_.~`.
struct Encoded<'a>(&'a str);

impl std::fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    f.write_char(char::from(byte))?;
                }
                byte => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
