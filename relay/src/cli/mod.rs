//! The options, and what they configure.

mod env;
mod modes;
mod proxies;
mod targets;
#[cfg(test)]
mod tests;
mod token;
mod values;

pub(crate) use env::{misspelt, without_empty_variables};
pub(crate) use token::TOKEN_VARIABLE;
pub(crate) use values::{bytes, duration};

use crate::targets::Relayed;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum, error::ErrorKind};
use modes::ModeArgs;
use prometheus_rsocket_client::Config;
use proxies::ProxyArgs;
use std::fmt;
use targets::TargetArgs;
use values::log_filter;

/// Connects the /metrics endpoint of a program to a prometheus-rsocket-proxy, where Prometheus scrapes it.
///
/// On SIGTERM, SIGINT or SIGHUP the relay scrapes the program once more and pushes the result before it closes the connection. This takes less than 8
/// seconds with the default options. If the program is gone by then, the relay pushes its previous metrics. A second signal ends the relay at once.
///
/// The exit status is 0 if the proxy (with --proxy-mode all: every proxy) has stored the last metrics; 1 if not, or if the address of --listen is not
/// available; and 2 for a bad option or bad input. With a command it is that of the command: 128 + N if signal N ended it, 127 if there is no such
/// command, and 126 if it cannot be run.
#[derive(Clone, Debug, Parser)]
#[command(name = "prometheus-rsocket-client", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) proxies: ProxyArgs,
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) modes: ModeArgs,
    /// The runtime to run on
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_RUNTIME", default_value_t)]
    pub(crate) runtime: RuntimeKind,
    /// What to log: off, error, warn, info, debug or trace, or filters in the syntax of `tracing`
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_LOG", default_value = "info", value_parser = log_filter)]
    pub(crate) log: String,
}

impl Args {
    /// Reads the command line and the environment of this process.
    pub(crate) fn from_environment() -> Result<Self, clap::Error> {
        let matches = without_empty_variables(Self::command()).try_get_matches()?;
        ModeArgs::check_sources(&matches)
            .map_err(|(kind, message)| Self::command().error(kind, message))?;
        let args = Self::from_arg_matches(&matches);
        let args = args.map_err(|error| error.format(&mut Self::command()))?;
        args.check()?;
        Ok(args)
    }

    /// Checks how options fit together.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        let checked = self.proxies.check().and_then(|()| self.targets.check());
        checked.map_err(|(kind, message)| Self::command().error(kind, message))
    }

    /// Returns one configuration for each client of an application: one for each proxy, or one for all of them. The labels are set for each
    /// application.
    pub(crate) fn configs(&self) -> Vec<Config> {
        self.proxies.configs()
    }

    /// Returns what is relayed, with the contents of its files; `None` if standard input is read instead.
    pub(crate) fn load_targets(&self) -> Result<Option<Relayed>, String> {
        if self.modes.stdin {
            return Ok(None);
        }
        let plan = self.targets.plan().map_err(|(_, message)| message)?;
        let loaded = plan.load().map_err(|error| error.to_string())?;
        Ok(Some(Relayed { plan, loaded }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeKind {
    Smol,
    Tokio,
}

/// tokio, unless only smol is built in.
impl Default for RuntimeKind {
    fn default() -> Self {
        if cfg!(feature = "smol") && !cfg!(feature = "tokio") { Self::Smol } else { Self::Tokio }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smol => "smol",
            Self::Tokio => "tokio",
        })
    }
}

/// A conflict between options.
type Fault = (ErrorKind, String);
