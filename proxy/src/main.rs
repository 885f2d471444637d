//! The program `prometheus-rsocket-proxy`.

use prometheus_rsocket_proxy::config::{Config, RuntimeKind};
use prometheus_rsocket_proxy::{Proxy, shutdown};
use prometheus_rsocket_runtime::Runtime;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[cfg(not(any(feature = "smol", feature = "tokio")))]
compile_error!("the program needs a runtime: build it with the feature `tokio` or `smol`");

fn main() -> ExitCode {
    let config = match Config::from_args(std::env::args_os(), |name| std::env::var_os(name)) {
        Ok(config) => config,
        Err(error) => {
            error.print();
            return ExitCode::from(error.exit_code());
        }
    };
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_env_filter(EnvFilter::new(&config.log))
        .init();
    // Each application takes a file descriptor, and 1,024 are few; what the system allows beyond that is there to be used.
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "file descriptors"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of file descriptors"),
    }
    let ended: io::Result<ExitCode> = match config.runtime {
        #[cfg(feature = "smol")]
        RuntimeKind::Smol => {
            prometheus_rsocket_smol::Smol::block_on(None, |runtime| run(runtime, config))
        }
        #[cfg(feature = "tokio")]
        RuntimeKind::Tokio => {
            prometheus_rsocket_tokio::Tokio::block_on(None, |runtime| run(runtime, config))
        }
        #[cfg(not(all(feature = "smol", feature = "tokio")))]
        other => {
            eprintln!("error: --runtime {}: this program is built without it", other.name());
            Ok(ExitCode::from(2))
        }
    };
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot start the runtime");
        ExitCode::FAILURE
    })
}

async fn run<R: Runtime>(runtime: R, config: Config) -> ExitCode {
    let demo = config.demo;
    let proxy = match Proxy::bind(runtime, config).await {
        Ok(proxy) => proxy,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return if error.is_configuration() { ExitCode::from(2) } else { ExitCode::FAILURE };
        }
    };
    for (listener, address) in proxy.listeners() {
        tracing::info!(listener, %address, "listening");
    }
    if demo > 0 {
        tracing::info!(demo, "example applications run inside this process (--demo)");
    }
    let (trigger, shutdown) = shutdown::channel();
    let stopping = shutdown.clone();
    let on_signal = move || {
        if stopping.is_triggered() {
            // Who asks twice means it.
            std::process::exit(1);
        }
        tracing::info!("stopping: finishing scrapes under way, then closing connections");
        trigger.trigger();
    };
    if let Err(error) = ctrlc::set_handler(on_signal) {
        tracing::error!(%error, "cannot listen for signals");
        return ExitCode::FAILURE;
    }
    proxy.run(shutdown).await;
    tracing::info!("stopped");
    ExitCode::SUCCESS
}
