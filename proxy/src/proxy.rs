use crate::config::{Config, Envelope, ListenAddr};
use crate::demo;
use crate::http::{
    self, Backend, Limits, Readiness, Router, ScrapeBody, ScrapeRefused, ScrapeRequest,
    ScrapeTimeouts, Status,
};
use crate::hub::{Hub, Tables};
use crate::keys;
use crate::listener::Acceptor;
use crate::scrape::{Outcome, Scrape};
use crate::shutdown::{self, Shutdown};
use crate::telemetry::{RoundOutcome, Telemetry};
use crate::workers::{self, Toolbox};
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{self, Collector, Form};
use prometheus_rsocket_protocol::connection;
use prometheus_rsocket_protocol::envelope::{KeyError, OpenLimits};
use prometheus_rsocket_protocol::exposition;
use prometheus_rsocket_runtime::{Listener, Runtime, sleep_until, timeout};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{error, fmt, io};

/// A proxy whose listeners are open; [`run`](Self::run) serves them.
pub struct Proxy<R: Runtime> {
    core: Arc<Core<R>>,
    tcp: Option<R::Listener>,
    http: Option<R::Listener>,
    connection: connection::Config,
    timeouts: ScrapeTimeouts,
    limits: Limits,
}

/// A look at a proxy, also while it runs and after it has stopped.
#[derive(Clone)]
pub struct Watch {
    hub: Arc<Hub>,
}

impl Watch {
    /// What is in the proxy's tables.
    pub fn tables(&self) -> Tables {
        self.hub.tables()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.tables()).finish()
    }
}

/// Why a proxy cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A listener cannot be opened.
    Listen {
        /// Which: `tcp` or `http`.
        listener: &'static str,
        /// On which address.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// There is no key pair.
    Key(KeyError),
    /// The system gives no randomness, or the runtime ended.
    System(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { listener, address, error } => {
                write!(f, "cannot listen on {address} ({listener}): {error}")
            }
            Self::Key(error) => write!(f, "cannot make the proxy's key: {error}"),
            Self::System(error) => f.write_str(error),
        }
    }
}

impl error::Error for StartError {}

/// What HTTP, listeners and workers share.
struct Core<R: Runtime> {
    runtime: R,
    config: Config,
    hub: Arc<Hub>,
    telemetry: Arc<Telemetry>,
    toolbox: Arc<Toolbox>,
    listeners: Vec<(&'static str, SocketAddr)>,
    running: AtomicBool,
}

/// Chunks of an answer that wait for a scraper: few, as each may be an application's whole text.
const CHUNKS: usize = 4;
/// How long connections may take to end, once the proxy has said that it goes.
const GOODBYE: Duration = Duration::from_secs(3);

impl<R: Runtime> Proxy<R> {
    /// Opens the listeners and makes the key pair that all connections use.
    pub async fn bind(runtime: R, config: Config) -> Result<Self, StartError> {
        // Listeners first: an address in use is known at once, a key takes a moment.
        let tcp = listen(&runtime, "tcp", &config.listen_tcp).await?;
        let http = listen(&runtime, "http", &config.listen_http).await?;
        let address = |name, bound: &Option<(_, SocketAddr)>| Some((name, bound.as_ref()?.1));
        let listeners = [address("tcp", &tcp), address("http", &http)];
        let listeners = listeners.into_iter().flatten().collect();
        let keys = keys::make(&runtime, &config).await?;
        let telemetry = Arc::new(Telemetry::new(config.runtime.name(), runtime.time_of_day()));
        let collector = Collector::new(collector_config(&config));
        let hub = Arc::new(Hub::new(collector, Arc::clone(&telemetry)));
        let toolbox =
            Arc::new(Toolbox { keys, open: open_limits(&config), text: text_limits(&config) });
        let mut connection = connection::Config::default();
        connection.max_frame_len = config.max_frame_bytes;
        connection.setup_timeout = config.setup_timeout;
        let timeouts = ScrapeTimeouts {
            default: config.scrape_timeout,
            max: config.scrape_timeout_max,
            offset: config.scrape_timeout_offset,
        };
        let limits = Limits {
            max_connections: config.max_http_connections,
            shutdown_timeout: config.shutdown_timeout,
            ..Limits::default()
        };
        let running = AtomicBool::new(false);
        let core = Arc::new(Core { runtime, config, hub, telemetry, toolbox, listeners, running });
        let [tcp, http] = [tcp, http].map(|bound| bound.map(|(listener, _)| listener));
        Ok(Self { core, tcp, http, connection, timeouts, limits })
    }

    /// Where applications connect over TCP, with the real port.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.core.address("tcp")
    }

    /// Where Prometheus scrapes, with the real port.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.core.address("http")
    }

    /// Each listener's name and real address.
    pub fn listeners(&self) -> &[(&'static str, SocketAddr)] {
        &self.core.listeners
    }

    /// A look at it for later, when it runs.
    pub fn watch(&self) -> Watch {
        Watch { hub: Arc::clone(&self.core.hub) }
    }

    /// Serves until the signal is given. Then no more connections are accepted, scrapes under way are finished, and every
    /// application's connection is ended by an ERROR frame; each of these takes a bounded time.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { core, tcp, http, connection, timeouts, limits } = self;
        let runtime = core.runtime.clone();
        // Dropped when this returns, which ends the workers.
        let (_running, ended) = shutdown::channel();
        let background = core.clone().background(tcp, connection, shutdown.clone(), ended);
        let serving = async {
            match http {
                Some(listener) => {
                    let router =
                        Router::new(Arc::clone(&core), Arc::clone(&core.telemetry), timeouts);
                    let router = Arc::new(router);
                    http::serve(runtime.clone(), listener, router, limits, shutdown.clone()).await;
                }
                None => shutdown.wait().await,
            }
        };
        core.running.store(true, Ordering::Relaxed);
        // Workers and timers go on until the last scrape is through.
        or(serving, background).await;
        core.hub.drain();
        let deadline = runtime.now() + GOODBYE;
        if timeout(&runtime, deadline, core.hub.drained()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}

impl<R: Runtime> Core<R> {
    /// Starts the workers, accepts applications until the signal, and keeps time; never ends.
    async fn background(
        self: Arc<Self>,
        tcp: Option<R::Listener>,
        connection: connection::Config,
        shutdown: Shutdown,
        ended: Shutdown,
    ) {
        for _ in 0..self.runtime.parallelism() {
            let (runtime, hub) = (self.runtime.clone(), Arc::clone(&self.hub));
            let work = workers::work(runtime, hub, Arc::clone(&self.toolbox));
            let ended = ended.clone();
            self.runtime.spawn(async move { or(work, ended.wait()).await });
        }
        if let Some(listener) = tcp {
            let acceptor = Acceptor {
                runtime: self.runtime.clone(),
                hub: Arc::clone(&self.hub),
                telemetry: Arc::clone(&self.telemetry),
                key: self.toolbox.keys.public_key(),
                connection,
            };
            let until_stopped = async move { or(acceptor.run(listener), shutdown.wait()).await };
            self.runtime.spawn(until_stopped);
        }
        let _demo = self
            .address("tcp")
            .map(|address| demo::start(&self.runtime, address, self.config.demo));
        self.keep_time().await;
    }

    /// Tells the collector when its deadlines are due.
    async fn keep_time(&self) {
        loop {
            let (next, changed) = self.hub.handle_timeout(self.runtime.now());
            match next {
                Some(deadline) => or(sleep_until(&self.runtime, deadline), changed).await,
                None => changed.await,
            }
        }
    }

    fn address(&self, name: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(listener, _)| *listener == name).map(|(_, address)| *address)
    }
}

impl<R: Runtime> Backend for Core<R> {
    async fn scrape(&self, request: ScrapeRequest) -> Result<ScrapeBody, ScrapeRefused> {
        let started = self.runtime.now();
        let form = if request.gzip { Form::Deflate } else { Form::Snappy };
        let (round, news) =
            self.hub.start_round(started, request.deadline, form).map_err(|error| {
                tracing::warn!(%error, "scrape refused");
                ScrapeRefused {
                    reason: "too many scrapes are under way",
                    retry_after: Duration::from_secs(1),
                }
            })?;
        let (sender, body) = ScrapeBody::channel(request.gzip, CHUNKS);
        let scrape = Scrape {
            runtime: self.runtime.clone(),
            hub: Arc::clone(&self.hub),
            round,
            news,
            form,
            deadline: request.deadline,
            max_text_len: self.toolbox.open.max_text_len,
            delivered: false,
        };
        let telemetry = Arc::clone(&self.telemetry);
        let runtime = self.runtime.clone();
        self.runtime.spawn(async move {
            let outcome = scrape.send(sender).await;
            let took = runtime.now().saturating_duration_since(started);
            let outcome = match outcome {
                Outcome::Sent(summary) if summary.served == summary.apps => RoundOutcome::Complete,
                Outcome::Sent(_) => RoundOutcome::Partial,
                Outcome::Aborted => RoundOutcome::Aborted,
            };
            tracing::debug!(?outcome, ?took, "scrape");
            telemetry.round_ended(outcome, took);
        });
        Ok(body)
    }

    fn own_metrics(&self) -> String {
        self.telemetry.encode(self.runtime.now())
    }

    fn readiness(&self) -> Readiness {
        if self.hub.is_draining() {
            Readiness::Draining
        } else if self.running.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }

    fn status(&self) -> Status {
        let listener = |(name, address): &(&'static str, SocketAddr)| (*name, address.to_string());
        Status {
            listeners: self.listeners.iter().map(listener).collect(),
            connected_applications: self.hub.connected(),
            demo_applications: self.config.demo,
        }
    }
}

async fn listen<R: Runtime>(
    runtime: &R,
    listener: &'static str,
    address: &ListenAddr,
) -> Result<Option<(R::Listener, SocketAddr)>, StartError> {
    let ListenAddr::On { host, port } = address else { return Ok(None) };
    let error = |error| StartError::Listen { listener, address: address.to_string(), error };
    let (name, port) = (host.clone(), *port);
    let resolved = runtime.unblock(move || {
        let mut addresses = (name.as_str(), port).to_socket_addrs()?;
        addresses.next().ok_or_else(|| io::Error::other("the name has no address"))
    });
    let resolved = match resolved.await {
        Ok(resolved) => resolved.map_err(error)?,
        Err(lost) => return Err(StartError::System(lost.to_string())),
    };
    let bound = runtime.bind(resolved).await.map_err(error)?;
    let address = bound.local_addr().map_err(error)?;
    Ok(Some((bound, address)))
}

fn collector_config(config: &Config) -> collector::Config {
    let mut collector = collector::Config::default();
    collector.max_apps = config.max_connections;
    collector.max_rounds = config.max_concurrent_scrapes;
    collector.max_pushes = config.max_held_pushes;
    collector.max_push_bytes = config.max_held_push_bytes;
    collector.push_ttl = config.push_ttl;
    collector
}

fn open_limits(config: &Config) -> OpenLimits {
    let mut limits = OpenLimits::default();
    limits.max_text_len = config.max_text_bytes;
    limits.allow_plaintext = config.envelope == Envelope::Plaintext;
    limits
}

fn text_limits(config: &Config) -> exposition::Limits {
    let mut limits = exposition::Limits::default();
    limits.max_series = config.max_series;
    limits
}
