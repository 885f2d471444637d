//! The program `prometheus-rsocket-proxy`.

mod healthcheck;
mod printed;

use async_channel::Receiver;
use prometheus_rsocket_proxy::config::{
    Config, ConfigError, Loaded, LogFormat, RuntimeKind, Sources, Task,
};
use prometheus_rsocket_proxy::descriptors;
use prometheus_rsocket_proxy::shutdown::{self, Shutdown, ShutdownTrigger};
use prometheus_rsocket_proxy::{Proxy, ReloadPhase, Reloading};
use prometheus_rsocket_runtime::{Runtime, logging, manual};
#[cfg(target_os = "linux")]
use sd_notify::NotifyState;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::EnvFilter;

#[cfg(not(any(feature = "smol", feature = "tokio")))]
compile_error!("the program needs a runtime: build it with the feature `tokio` or `smol`");

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == healthcheck::NAME) {
        args.remove(1);
        return healthcheck::main(args);
    }
    if let Some(exit_code) =
        manual::printed(&args, || Config::command().name(env!("CARGO_BIN_NAME")))
    {
        return exit_code;
    }
    // Before anything that takes time: the kernel delivers to process 1 of a container only signals that have a handler.
    let signals = match Signals::handle() {
        Ok(signals) => signals,
        Err(error) => {
            logging::tell_error(&format_args!("cannot handle signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let (sources, loaded) = match configuration(args) {
        Ok(read) => read,
        Err(error) => {
            let exit_code = error.exit_code();
            logging::tell(move || error.print());
            return ExitCode::from(exit_code);
        }
    };
    match sources.task() {
        Task::Serve => {}
        Task::Check => return printed::check(&loaded.config),
        Task::Print => return printed::config(&loaded),
    }
    let mut config = loaded.config.clone();
    logging::start(EnvFilter::new(&config.log), config.log_format == LogFormat::Json);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match descriptors::prepare(&mut config) {
        Ok(None) => {}
        Ok(Some(warning)) => tracing::warn!("{warning}"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of file descriptors"),
    }
    let reloading = Reloading {
        sources,
        loaded,
        requests: signals.reloads.clone(),
        set_log: |filter| logging::set_filter(EnvFilter::new(filter)),
        tell: tell_reload,
    };
    let exit_code = start(config, reloading, signals);
    logging::finish();
    exit_code
}

/// Reads the configuration for the first time.
fn configuration(args: Vec<OsString>) -> Result<(Sources, Loaded), ConfigError> {
    let sources = Sources::new(args, std::env::vars_os())?;
    let loaded = sources.load()?;
    Ok((sources, loaded))
}

/// Runs the proxy on the configured runtime.
fn start(config: Config, reloading: Reloading, signals: Signals) -> ExitCode {
    let ended: io::Result<ExitCode> = match config.runtime {
        #[cfg(feature = "smol")]
        RuntimeKind::Smol => prometheus_rsocket_smol::Smol::block_on(None, |runtime| {
            run(runtime, config, reloading, signals)
        }),
        #[cfg(feature = "tokio")]
        RuntimeKind::Tokio => prometheus_rsocket_tokio::Tokio::block_on(None, |runtime| {
            run(runtime, config, reloading, signals)
        }),
        #[cfg(not(all(feature = "smol", feature = "tokio")))]
        other => {
            let name = other.name();
            logging::tell_error(&format_args!(
                "--runtime {name}: this program is built without it"
            ));
            Ok(ExitCode::from(2))
        }
    };
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot start the runtime");
        ExitCode::FAILURE
    })
}

/// Notifies systemd, if it has asked for that (`Type=notify`).
#[cfg(target_os = "linux")]
fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        let state = states.first().map(tracing::field::display);
        tracing::warn!(%error, state, "cannot notify systemd");
    }
}

/// Notifies systemd that the configuration is being read again, or has been.
fn tell_reload(phase: ReloadPhase) {
    #[cfg(target_os = "linux")]
    match (phase, NotifyState::monotonic_usec_now()) {
        (ReloadPhase::Begun, Ok(now)) => tell_systemd(&[NotifyState::Reloading, now]),
        // systemd would refuse the state without the time.
        (ReloadPhase::Begun, Err(_)) => {}
        (ReloadPhase::Done, _) => tell_systemd(&[NotifyState::Ready]),
    }
    #[cfg(not(target_os = "linux"))]
    let _ = phase;
}

/// Returns freed memory to the system, also after a burst.
#[cfg(all(feature = "jemalloc", unix))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The signals that stop the process, and that make it read the configuration again.
struct Signals {
    shutdown: Shutdown,
    reloads: Receiver<()>,
    /// Whether there is anything that has to be stopped in order.
    is_serving: Arc<AtomicBool>,
}

impl Signals {
    /// Handles signals from now on. Until the proxy serves, the first signal to stop ends the process at once with status 0. After that, the first
    /// one stops the proxy, and the second one ends the process with status 1.
    fn handle() -> io::Result<Self> {
        let (trigger, shutdown) = shutdown::channel();
        // A request that comes while another one waits asks for nothing more.
        let (asking, reloads) = async_channel::bounded(1);
        let is_serving = Arc::new(AtomicBool::new(false));
        let signals =
            Self { shutdown: shutdown.clone(), reloads, is_serving: Arc::clone(&is_serving) };
        listen(move |is_stop| match is_stop {
            true => on_signal(&trigger, &shutdown, &is_serving),
            false => drop(asking.try_send(())),
        })?;
        Ok(signals)
    }

    /// The proxy serves from now on. Returns the signal that stops it.
    fn begin_serving(self) -> Shutdown {
        self.is_serving.store(true, Ordering::SeqCst);
        self.shutdown
    }
}

/// Calls `on` in a thread of its own for each signal: with `true` for a signal to stop, with `false` for SIGHUP.
#[cfg(unix)]
fn listen(on: impl Fn(bool) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let listening = move || signals.forever().for_each(|signal| on(signal != SIGHUP));
    std::thread::Builder::new().name("signals".to_owned()).spawn(listening)?;
    Ok(())
}

/// Calls `on` for Ctrl-C and similar events.
#[cfg(not(unix))]
fn listen(on: impl Fn(bool) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || on(true)).map_err(io::Error::other)
}

fn on_signal(trigger: &ShutdownTrigger, shutdown: &Shutdown, is_serving: &AtomicBool) {
    if shutdown.is_triggered() {
        // A second signal means an immediate end.
        std::process::exit(1);
    }
    if !is_serving.load(Ordering::SeqCst) {
        tracing::info!("stopped before the proxy was ready");
        // Not through the runtime, which would wait until the key is made.
        logging::exit(0);
    }
    tracing::info!("stopping: finishing scrapes under way, then closing connections");
    #[cfg(target_os = "linux")]
    tell_systemd(&[NotifyState::Stopping]);
    trigger.trigger();
}

async fn run<R: Runtime>(
    runtime: R,
    config: Config,
    reloading: Reloading,
    signals: Signals,
) -> ExitCode {
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
    let shutdown = signals.begin_serving();
    #[cfg(target_os = "linux")]
    tell_systemd(&[NotifyState::Ready]);
    proxy.reloading(reloading).run(shutdown).await;
    tracing::info!("stopped");
    ExitCode::SUCCESS
}
