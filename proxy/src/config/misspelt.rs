//! Variables that look as if they were meant for this program, but are none of its settings.

use super::args::Args;
use super::source::{Environment, PREFIX, env_name};
use clap::CommandFactory;
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Returns a sentence for each such variable, with the nearest name that there is.
pub(super) fn warnings(env: &Environment) -> Vec<String> {
    let known = known();
    let unknown = env.variables().filter(|(name, value)| {
        name.starts_with(PREFIX) && !known.contains(*name) && !is_of_kubernetes(name, value)
    });
    unknown.map(|(name, _)| warning(name, &known)).collect()
}

fn warning(name: &str, known: &BTreeSet<String>) -> String {
    let own = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let likeness = |other: &str| strsim::jaro_winkler(&own(name), &own(other));
    let nearest = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let warning = format!(
        "the environment variable {name} is not a setting of this program and has no effect"
    );
    match nearest {
        Some(nearest) => format!("{warning}; the nearest name is {nearest}"),
        None => warning,
    }
}

/// The variables of all options.
fn known() -> BTreeSet<String> {
    let command = Args::command();
    let options = command.get_arguments().filter(|arg| !arg.is_hide_set());
    options.filter_map(|arg| arg.get_long()).map(env_name).collect()
}

/// Whether Kubernetes sets such a variable, in all containers beside a service whose name begins as this program's.
fn is_of_kubernetes(name: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    let has_number = |port: &str| port.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        // `…_PORT=tcp://10.0.0.1:7001`; a port alone is a person's.
        || (name.ends_with("_PORT") && is_url)
        || name.split_once("_PORT_").is_some_and(|(_, port)| has_number(port))
}
