//! Environment variables that look as if they were meant for this program, but are not settings.

use super::command::CONFIG;
use super::error::ConfigError;
use super::settings::{self, PREFIX, Setting};
use super::source::Environment;
use prometheus_rsocket_runtime::settings::nearest;
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Returns an error for each such variable, with the most similar valid name.
pub(super) fn errors(env: &Environment) -> Vec<ConfigError> {
    let config = format!("{PREFIX}{}", CONFIG.to_ascii_uppercase());
    let known: BTreeSet<String> = settings::all().map(Setting::variable).chain([config]).collect();
    let unknown = env.variables().filter(|(name, value)| {
        name.starts_with(PREFIX) && !known.contains(*name) && !is_of_kubernetes(name, value)
    });
    let error = |name: &str| {
        let own = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
        let nearest = nearest(&own(name), known.iter().map(|name| own(name))).unwrap_or_default();
        ConfigError::UnknownVariable {
            name: name.to_owned(),
            nearest: format!("{PREFIX}{nearest}"),
        }
    };
    unknown.map(|(name, _)| error(name)).collect()
}

/// Whether Kubernetes sets such a variable, as it does in all containers beside a service whose name begins like this program's.
fn is_of_kubernetes(name: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    let has_number = |port: &str| port.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        // `…_PORT=tcp://10.0.0.1:7001`; a port alone was set by a person.
        || (name.ends_with("_PORT") && is_url)
        || name.split_once("_PORT_").is_some_and(|(_, port)| has_number(port))
}
