//! The program's modes: it relays until a signal arrives or a command has ended, or pushes once.

mod listen;
mod once;
mod signals;
mod supervised;

pub(crate) use once::read_stdin;
pub(crate) use signals::Signals;
pub(crate) use supervised::Supervised;

use crate::targets::{Fleet, Relayed};
use listen::Watched;
use prometheus_rsocket_client::{Config, Labels};
use prometheus_rsocket_runtime::Runtime;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) configs: Vec<Config>,
    pub(crate) mode: Mode,
    /// The address of the relay's own listener.
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) enum Mode {
    /// Pushes the metrics of the targets, or those that were read from standard input.
    Once { source: Source },
    /// Relays the targets until a signal comes.
    Relay { relayed: Relayed },
    /// Relays the targets until the command has ended, and fetches its metrics at this interval.
    Supervise { relayed: Relayed, command: Supervised, fetch_every: Duration },
}

#[derive(Debug)]
pub(crate) enum Source {
    Targets(Relayed),
    Text { labels: Labels, text: String },
}

/// Carries the plan out, to its end.
pub(crate) async fn run<R: Runtime>(runtime: R, plan: Plan, signals: Signals) -> ExitCode {
    let Plan { configs, mode, listen } = plan;
    log_ways_out(&configs);
    let (relayed, supervised) = match mode {
        Mode::Once { source } => return once::run(runtime, configs, source, signals).await,
        Mode::Relay { relayed } => (relayed, None),
        Mode::Supervise { relayed, command, fetch_every } => {
            (relayed, Some((command, fetch_every)))
        }
    };
    let listener = match listen {
        None => None,
        Some(address) => match listen::bind(&runtime, address).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::error!(%address, %error, "cannot listen");
                return ExitCode::FAILURE;
            }
        },
    };
    // Before anything is connected: a command that cannot be run has no metrics.
    let supervised = match supervised {
        None => None,
        Some((command, fetch_every)) => match command.start(&signals) {
            Ok(running) => Some((running, fetch_every)),
            Err(exit_code) => return exit_code,
        },
    };
    let fleet = Fleet::start(&runtime, configs, relayed);
    if let Some(listener) = listener {
        let (own, ready) = (Arc::clone(&fleet), Arc::clone(&fleet));
        let watched = Watched::new(move || own.own_metrics(), move || ready.connected());
        runtime.spawn(listen::serve(runtime.clone(), listener, watched));
    }
    if let Some((running, fetch_every)) = supervised {
        return running.run(&runtime, &fleet, &signals, fetch_every).await;
    }
    signals.next().await;
    tracing::info!("stopping: pushing the last metrics");
    if fleet.push_and_close().await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn log_ways_out(configs: &[Config]) {
    for config in configs {
        for proxy in config.proxies.iter() {
            // An invalid one was refused before.
            if let Ok(Some(via)) = config.route.to(proxy) {
                tracing::info!(%proxy, %via, "connecting through an HTTP proxy");
            }
        }
    }
}
