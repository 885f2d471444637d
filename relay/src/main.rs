//! The program `prometheus-rsocket-client`: relays the `/metrics` endpoint of any program to a proxy.

mod cli;
mod fetch;
mod relay;

use clap::CommandFactory;
use cli::{Args, RuntimeKind};
use fetch::{Endpoint, Fetcher};
use prometheus_rsocket_client::{Client, Config, from_async};
use prometheus_rsocket_runtime::{Line, Runtime, logging};
use relay::Relay;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::EnvFilter;

#[cfg(not(any(feature = "smol", feature = "tokio")))]
compile_error!("the program needs a runtime: build it with the feature `tokio` or `smol`");

fn main() -> ExitCode {
    // Before anything that takes time: process 1 of a container has no handler but this.
    let signalled = match listen_for_signals() {
        Ok(signalled) => signalled,
        Err(error) => {
            logging::tell_error(&format_args!("cannot listen for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let args = match Args::from_environment() {
        Ok(args) => args,
        Err(error) => {
            let exit_code = if error.exit_code() == 0 { 0 } else { 2 };
            // Nowhere is left to tell that an output is closed.
            logging::tell(move || drop(error.print()));
            return ExitCode::from(exit_code);
        }
    };
    let token = match args.proxies.load_token(std::env::var_os(cli::TOKEN_VARIABLE)) {
        Ok(token) => token,
        Err(error) => {
            logging::tell_error(&error);
            return ExitCode::from(2);
        }
    };
    let mut configs = args.configs();
    configs.iter_mut().for_each(|config| config.token.clone_from(&token));
    let loaded = args.proxies.load_tls().and_then(|tls| {
        configs.iter_mut().for_each(|config| config.tls.clone_from(&tls));
        args.targets.load_endpoint()
    });
    match args.proxies.load_pins() {
        Ok(pins) => configs.iter_mut().for_each(|config| config.pin_file.clone_from(&pins)),
        Err(error) => {
            logging::tell_error(&error);
            return ExitCode::from(2);
        }
    }
    let endpoint = match loaded {
        Ok(endpoint) => endpoint,
        Err(error) => {
            logging::tell_error(&error);
            return ExitCode::from(2);
        }
    };
    logging::start(EnvFilter::new(&args.log), false);
    warn_of_misspelt_variables();
    let ended: io::Result<ExitCode> = match args.runtime {
        #[cfg(feature = "smol")]
        RuntimeKind::Smol => prometheus_rsocket_smol::Smol::block_on(Some(1), |runtime| {
            run(runtime, configs, endpoint, signalled)
        }),
        #[cfg(feature = "tokio")]
        RuntimeKind::Tokio => prometheus_rsocket_tokio::Tokio::block_on(Some(1), |runtime| {
            run(runtime, configs, endpoint, signalled)
        }),
        #[cfg(not(all(feature = "smol", feature = "tokio")))]
        other => {
            logging::tell_error(&format_args!(
                "--runtime {other}: this program is built without it"
            ));
            Ok(ExitCode::from(2))
        }
    };
    let exit_code = ended.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot start the runtime");
        ExitCode::FAILURE
    });
    logging::finish();
    exit_code
}

/// Brings a message at the first signal to stop. The second ends the program.
fn listen_for_signals() -> Result<async_channel::Receiver<()>, ctrlc::Error> {
    let (signal, signalled) = async_channel::bounded(1);
    let is_stopping = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if is_stopping.swap(true, Ordering::Relaxed) {
            // Who asks twice means it.
            std::process::exit(1);
        }
        // There is room for the one.
        let _ = signal.try_send(());
    })?;
    Ok(signalled)
}

fn warn_of_misspelt_variables() {
    let names: Vec<String> =
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    for (name, nearest) in cli::misspelt(&Args::command(), names.iter().map(|name| &**name)) {
        tracing::warn!("the variable {name} is ignored; did you mean {nearest}?");
    }
}

async fn run<R: Runtime>(
    runtime: R,
    configs: Vec<Config>,
    endpoint: Endpoint,
    signalled: async_channel::Receiver<()>,
) -> ExitCode {
    let Some(push_timeout) = configs.iter().map(|config| config.agent.push_timeout).min() else {
        return ExitCode::from(2);
    };
    let relay = Arc::new(Relay::new(Fetcher::new(runtime.clone(), endpoint), push_timeout / 2));
    let mut clients = Vec::new();
    for config in configs {
        tracing::info!(proxy = %config.proxies, scrape = %relay.url(), labels = %config.labels, "relaying");
        let proxy = config.proxies.to_string();
        let fetched = Arc::clone(&relay);
        let metrics = move || {
            let relay = Arc::clone(&fetched);
            async move { relay.metrics().await }
        };
        let (client, running) = Client::new(runtime.clone(), config, from_async(metrics));
        runtime.spawn(running);
        clients.push((proxy, client));
    }
    // The handler lives as long as the process, so this ends by a signal alone.
    let _ = signalled.recv().await;
    tracing::info!("stopping: pushing the last metrics");
    relay.stop();
    if push_all(&runtime, clients).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Pushes the last metrics to all proxies at once, and says whether each has them.
async fn push_all<R: Runtime>(runtime: &R, clients: Vec<(String, Client)>) -> bool {
    let (done, pushes) = async_channel::bounded(clients.len().max(1));
    for (proxy, client) in clients {
        let done = done.clone();
        runtime.spawn(async move {
            let result = client.push_and_close().await;
            // The receiver waits for all of them.
            let _ = done.send((proxy, result)).await;
        });
    }
    drop(done);
    let mut is_pushed = true;
    while let Ok((proxy, result)) = pushes.recv().await {
        match result {
            Ok(()) => tracing::info!(proxy, "pushed"),
            Err(error) => {
                let error = Line(error);
                tracing::error!(proxy, %error, "the last metrics are lost");
                is_pushed = false;
            }
        }
    }
    is_pushed
}
