//! The programs that are relayed: those of the command line, and those of a watched file.

mod clients;
mod file;
mod file_sd;
mod fleet;
mod join;
mod target;
mod toml;

pub(crate) use clients::push_text;
pub(crate) use file::{TargetsError, TargetsFile};
pub(crate) use fleet::Fleet;
pub(crate) use target::{Filters, Target, TargetDefaults, default_name, is_name};

use crate::fetch::{Endpoint, TlsFiles};
use prometheus_rsocket_client::Labels;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The most targets of a relay.
pub(crate) const MAX_TARGETS: usize = 4096;

/// The targets that are relayed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The targets of the command line.
    pub(crate) targets: Vec<Target>,
    pub(crate) file: Option<TargetsFile>,
    /// The labels of the application that all targets are joined into; `None` if each is an application of its own.
    pub(crate) joined: Option<Labels>,
}

/// A target with the contents of its files.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) target: Target,
    pub(crate) endpoint: Endpoint,
}

/// The targets that are relayed, with their files as of the start.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) plan: Plan,
    pub(crate) loaded: Vec<Loaded>,
}

impl Relayed {
    /// Returns the longest time limit of a target.
    pub(crate) fn longest_timeout(&self) -> Duration {
        self.loaded.iter().map(|it| it.target.options.timeout).max().unwrap_or_default()
    }
}

impl Plan {
    /// Returns all targets, as the files are now. Blocks.
    pub(crate) fn load(&self) -> Result<Vec<Loaded>, TargetsError> {
        let Some(file) = &self.file else {
            return load(&self.targets).map_err(TargetsError::of_options);
        };
        let bytes = file.read()?;
        let mut targets = self.targets.clone();
        targets.extend(file.parse(&bytes)?);
        let loaded = check(&targets).and_then(|()| load(&targets));
        let loaded = loaded.map_err(|error| file.error(error))?;
        file.is_used(bytes);
        Ok(loaded)
    }
}

fn load(targets: &[Target]) -> Result<Vec<Loaded>, String> {
    let mut files = TlsFiles::default();
    let load = |target: &Target| {
        let endpoint = Endpoint::load(target.url.clone(), target.options.clone(), &mut files);
        let endpoint = endpoint.map_err(|error| format!("{}: {error}", target.name))?;
        Ok(Loaded { target: target.clone(), endpoint })
    };
    targets.iter().map(load).collect()
}

/// Checks what no single target shows to be wrong.
pub(crate) fn check(targets: &[Target]) -> Result<(), String> {
    if targets.len() > MAX_TARGETS {
        return Err(format!("{} targets are over the limit of {MAX_TARGETS}", targets.len()));
    }
    let mut names = BTreeSet::new();
    let mut labels: BTreeMap<&Labels, &str> = BTreeMap::new();
    for target in targets {
        if !names.insert(&target.name) {
            return Err(format!("the name {:?} appears twice", target.name));
        }
        if let Some(other) = labels.insert(&target.labels, &target.name) {
            return Err(format!(
                "the targets {other:?} and {:?} have the same labels {}, by which nobody could tell them apart",
                target.name, target.labels
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
