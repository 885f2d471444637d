//! The program `prometheus-rsocket-client`: relays the `/metrics` endpoint of any program to a proxy.

mod cli;
mod fetch;
mod modes;
mod relay;
mod targets;

use clap::CommandFactory;
use cli::{Args, RuntimeKind};
use modes::{Mode, Plan, Signals, Source, Supervised};
use prometheus_rsocket_runtime::{logging, manual};
use std::io;
use std::process::ExitCode;
use std::thread;
use tracing_subscriber::EnvFilter;

#[cfg(not(any(feature = "smol", feature = "tokio")))]
compile_error!("the program needs a runtime: build it with the feature `tokio` or `smol`");

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().collect();
    if let Some(exit_code) =
        manual::printed(&given, || Args::command().name(env!("CARGO_BIN_NAME")))
    {
        return exit_code;
    }
    // Before anything that takes time: process 1 of a container has no other handlers.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            logging::tell_error(&format_args!("cannot listen for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let args = match Args::from_environment() {
        Ok(args) => args,
        Err(error) => {
            let exit_code = if error.exit_code() == 0 { 0 } else { 2 };
            // If the output is closed, there is nowhere left to report it.
            logging::tell(move || drop(error.print()));
            return ExitCode::from(exit_code);
        }
    };
    let plan = match plan(&args, &signals) {
        Ok(plan) => plan,
        Err(Fault { exit_code, text }) => {
            logging::tell_error(&text);
            return ExitCode::from(exit_code);
        }
    };
    logging::start(EnvFilter::new(&args.log), false);
    warn_of_misspelt_variables();
    let exit_code = match args.runtime {
        #[cfg(feature = "smol")]
        RuntimeKind::Smol => prometheus_rsocket_smol::Smol::block_on(Some(1), |runtime| {
            modes::run(runtime, plan, signals)
        }),
        #[cfg(feature = "tokio")]
        RuntimeKind::Tokio => prometheus_rsocket_tokio::Tokio::block_on(Some(1), |runtime| {
            modes::run(runtime, plan, signals)
        }),
        #[cfg(not(all(feature = "smol", feature = "tokio")))]
        other => {
            let _ = (plan, signals);
            logging::tell_error(&format_args!(
                "--runtime {other}: this program is built without it"
            ));
            Ok(ExitCode::from(2))
        }
    };
    let exit_code = exit_code.unwrap_or_else(|error: io::Error| {
        tracing::error!(%error, "cannot start the runtime");
        ExitCode::FAILURE
    });
    logging::finish();
    exit_code
}

/// Returns what the options, and the files that they name, ask for. Reads standard input, if the metrics come from there.
fn plan(args: &Args, signals: &Signals) -> Result<Plan, Fault> {
    let route = args.modes.load_route(&args.proxies.proxy)?;
    let token = args.proxies.load_token(std::env::var_os(cli::TOKEN_VARIABLE), &route)?;
    let tls = args.proxies.load_tls()?;
    let pins = args.proxies.load_pins()?;
    let mut configs = args.configs();
    for config in &mut configs {
        config.route.clone_from(&route);
        config.token.clone_from(&token);
        config.tls.clone_from(&tls);
        config.pin_file.clone_from(&pins);
    }
    let modes = &args.modes;
    let mode = match (Supervised::new(&modes.command), args.load_targets()?) {
        (Some(command), Some(relayed)) => {
            Mode::Supervise { relayed, command, fetch_every: modes.last_metrics_every }
        }
        (None, Some(relayed)) if modes.once => Mode::Once { source: Source::Targets(relayed) },
        (None, Some(relayed)) => Mode::Relay { relayed },
        // There is neither a target nor a command if standard input is read.
        (_, None) => {
            let (labels, filter) = args.targets.of_text()?;
            let text = filter.apply(&standard_input(args, signals)?)?.text;
            Mode::Once { source: Source::Text { labels, text } }
        }
    };
    Ok(Plan { configs, mode, listen: modes.listen })
}

/// Reads standard input to its end, or until a signal comes.
fn standard_input(args: &Args, signals: &Signals) -> Result<String, Fault> {
    let (tell, read) = async_channel::bounded(1);
    let limit = args.targets.max_text_bytes;
    let reading = move || {
        // There is room for the one message.
        let _ = tell.try_send(modes::read_stdin(io::stdin().lock(), limit));
    };
    let thread = thread::Builder::new().name("stdin".to_owned()).spawn(reading);
    thread.map_err(|error| Fault { exit_code: 1, text: error.to_string() })?;
    let signalled = async {
        signals.next().await;
        let text = "ended by a signal: the metrics are not pushed".to_owned();
        Err(Fault { exit_code: 1, text })
    };
    let reading = async {
        match read.recv().await {
            Ok(read) => Ok(read?),
            Err(_) => Err("standard input was not read".to_owned().into()),
        }
    };
    futures_lite::future::block_on(futures_lite::future::or(reading, signalled))
}

/// Why nothing is done.
struct Fault {
    exit_code: u8,
    text: String,
}

/// By default, the user's input is at fault.
impl<E: ToString> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { exit_code: 2, text: error.to_string() }
    }
}

fn warn_of_misspelt_variables() {
    let names: Vec<String> =
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    for (name, nearest) in cli::misspelt(&Args::command(), names.iter().map(|name| &**name)) {
        tracing::warn!("the variable {name} is ignored; did you mean {nearest}?");
    }
}
