//! What the program does: it relays until a signal comes, or until a command has ended, or pushes once.

mod listen;
mod once;
mod signals;
mod supervised;

pub(crate) use once::read_text;
pub(crate) use signals::Signals;
pub(crate) use supervised::Supervised;

use crate::targets::{self, Apps, Given, Loaded, Plan};
use listen::Watched;
use prometheus_rsocket_client::Config;
use prometheus_rsocket_runtime::Runtime;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) configs: Vec<Config>,
    pub(crate) mode: Mode,
    /// Where the relay itself is watched.
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) enum Mode {
    /// Pushes once.
    Once(Given),
    /// Relays targets until a signal comes.
    Relay(Plan, Vec<Loaded>),
    /// Relays targets until the command has ended, and fetches what they have so often.
    Supervise(Plan, Vec<Loaded>, Supervised, Duration),
}

/// Does it, to its end.
pub(crate) async fn run<R: Runtime>(runtime: R, task: Task, signals: Signals) -> ExitCode {
    let Task { configs, mode, listen } = task;
    log_ways_out(&configs);
    let (plan, loaded, command) = match mode {
        Mode::Once(given) => return once::run(runtime, configs, given, &signals).await,
        Mode::Relay(plan, loaded) => (plan, loaded, None),
        Mode::Supervise(plan, loaded, command, every) => (plan, loaded, Some((command, every))),
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
    let command = match command.map(|(command, every)| Ok((command.start(&signals)?, every))) {
        None => None,
        Some(Ok(started)) => Some(started),
        Some(Err(exit_code)) => return exit_code,
    };
    let apps = Arc::new(Apps::default());
    if let Some(listener) = listener {
        let (own, ready) = (Arc::clone(&apps), Arc::clone(&apps));
        let watched = Watched::new(move || own.own_metrics(), move || ready.connected());
        runtime.spawn(listen::serve(runtime.clone(), listener, watched));
    }
    // As much as the last push leaves to it.
    let push_timeout = configs.iter().map(|config| config.agent.push_timeout).min();
    let last_timeout = push_timeout.unwrap_or_default() / 2;
    let relayed = Arc::clone(&apps);
    let mut status = None;
    let end = async {
        match &command {
            None => drop(signals.next().await),
            Some((command, every)) => {
                let limits = (*every, last_timeout);
                status = Some(command.run(&runtime, &apps, &signals, limits).await);
            }
        }
    };
    let is_pushed = targets::run(runtime.clone(), configs, plan, loaded, relayed, end).await;
    match status {
        // How the push went is logged. The exit code is the command's own in any case.
        Some(status) => ExitCode::from(status),
        None if is_pushed => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

fn log_ways_out(configs: &[Config]) {
    for config in configs {
        for proxy in config.proxies.iter() {
            // One that is of no use was refused before.
            if let Ok(Some(via)) = config.route.to(proxy) {
                tracing::info!(%proxy, %via, "connecting through an HTTP proxy");
            }
        }
    }
}
