//! Environment variables.

use clap::Command;
use clap::builder::Resettable;
use prometheus_rsocket_runtime::settings::nearest;
use std::collections::BTreeSet;

/// The prefix of this program's variables.
const PREFIX: &str = "PROMETHEUS_RSOCKET_CLIENT_";

/// Returns the command with empty variables treated as not set.
pub(crate) fn without_empty_variables(command: Command) -> Command {
    command.mut_args(|arg| {
        let is_empty =
            arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { arg.env(Resettable::Reset) } else { arg }
    })
}

/// Returns variables that look as if they were meant for this program, each with the most similar valid name.
pub(crate) fn misspelt<'a>(
    command: &Command,
    variables: impl IntoIterator<Item = &'a str>,
) -> Vec<(&'a str, String)> {
    let known = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    let known: BTreeSet<&str> = known.chain([super::TOKEN_VARIABLE]).collect();
    let unknown = variables.into_iter().filter(|name| {
        name.starts_with(PREFIX) && !known.contains(name) && !is_of_kubernetes(name)
    });
    let nearest = |name| nearest(name, known.iter().copied()).unwrap_or_default().to_owned();
    unknown.map(|name| (name, nearest(name))).collect()
}

/// Whether Kubernetes sets such a variable for a service whose name begins like this program's variables.
fn is_of_kubernetes(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, port)| port.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Args;
    use clap::CommandFactory;

    #[test]
    fn misspelt_variables_are_found_with_the_nearest_name() {
        let found = misspelt(
            &Args::command(),
            [
                "PROMETHEUS_RSOCKET_CLIENT_PROXI",
                "PROMETHEUS_RSOCKET_CLIENT_PROXY",
                "PROMETHEUS_RSOCKET_CLIENT_TOKEN",
                "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_TIMOUT",
                "PROMETHEUS_RSOCKET_CLIENT_SERVICE_HOST",
                "PROMETHEUS_RSOCKET_CLIENT_SERVICE_PORT_TCP",
                "PROMETHEUS_RSOCKET_CLIENT_PORT",
                "PROMETHEUS_RSOCKET_CLIENT_PORT_7001_TCP_ADDR",
                "PROMETHEUS_RSOCKET_PROXY_LOG",
                "PATH",
            ],
        );
        let expected = [
            ("PROMETHEUS_RSOCKET_CLIENT_PROXI", "PROMETHEUS_RSOCKET_CLIENT_PROXY".to_owned()),
            (
                "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_TIMOUT",
                "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_TIMEOUT".to_owned(),
            ),
        ];
        assert_eq!(found, expected);
    }
}
