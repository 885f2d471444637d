//! The program `prometheus-rsocket-client`: relays the `/metrics` endpoint of any program to a proxy.

mod cli;
mod fetch;

use clap::Parser;
use cli::{Args, RuntimeKind};
use fetch::Relay;
use prometheus_rsocket_client::{Client, ClientTls, Config};
use prometheus_rsocket_runtime::Runtime;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::EnvFilter;

#[cfg(not(any(feature = "smol", feature = "tokio")))]
compile_error!("the program needs a runtime: build it with the feature `tokio` or `smol`");

fn main() -> ExitCode {
    let args = Args::parse();
    args.check().unwrap_or_else(|error| error.exit());
    let tls = match args.load_tls() {
        Ok(tls) => tls,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_env_filter(EnvFilter::new(&args.log))
        .init();
    let ended: io::Result<ExitCode> = match args.runtime {
        #[cfg(feature = "smol")]
        RuntimeKind::Smol => {
            prometheus_rsocket_smol::Smol::block_on(Some(1), |runtime| run(runtime, args, tls))
        }
        #[cfg(feature = "tokio")]
        RuntimeKind::Tokio => {
            prometheus_rsocket_tokio::Tokio::block_on(Some(1), |runtime| run(runtime, args, tls))
        }
        #[cfg(not(all(feature = "smol", feature = "tokio")))]
        other => {
            eprintln!("error: --runtime {other}: this program is built without it");
            Ok(ExitCode::from(2))
        }
    };
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot start the runtime");
        ExitCode::FAILURE
    })
}

async fn run<R: Runtime>(runtime: R, args: Args, tls: Option<ClientTls>) -> ExitCode {
    let (signal, signalled) = async_channel::bounded(1);
    let is_stopping = AtomicBool::new(false);
    let on_signal = move || {
        if is_stopping.swap(true, Ordering::Relaxed) {
            // Who asks twice means it.
            std::process::exit(1);
        }
        // There is room for the one.
        let _ = signal.try_send(());
    };
    if let Err(error) = ctrlc::set_handler(on_signal) {
        tracing::error!(%error, "cannot listen for signals");
        return ExitCode::FAILURE;
    }
    let mut config: Config = args.config();
    config.tls = tls;
    tracing::info!(proxy = %config.proxy, scrape = %args.scrape, "relaying");
    let relay = Arc::new(Relay::new(runtime.clone(), args.scrape.clone(), args.max_text_bytes));
    let metrics = move || {
        let relay = Arc::clone(&relay);
        async move { relay.fetch().await.map_err(Into::into) }
    };
    let (client, running) = Client::new(runtime.clone(), config, metrics);
    runtime.spawn(running);
    // The handler lives as long as the process, so this ends by a signal alone.
    let _ = signalled.recv().await;
    tracing::info!("stopping: pushing the last metrics");
    match client.push_and_close().await {
        Ok(()) => {
            tracing::info!("pushed");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the last metrics are lost");
            ExitCode::FAILURE
        }
    }
}
