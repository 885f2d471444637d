use crate::config::{Config, Envelope};
use crate::demo::{self, Demo};
use crate::http::{
    Backend, Limits, Readiness, ScrapeBody, ScrapeRefused, ScrapeRequest, ScrapeTimeouts, Status,
};
use crate::ingress::bind::{Bound, StartError};
use crate::ingress::rsocket::{Acceptor, Logs, Shared};
use crate::ingress::slots::Slots;
use crate::ingress::websocket::UpgradeConfig;
use crate::observe::telemetry::{RoundOutcome, Telemetry};
use crate::proxy::{HTTP, WEBSOCKET};
use crate::service::hub::Hub;
use crate::service::scrape::{Outcome, Scrape};
use crate::service::workers::{self, Toolbox};
use crate::shutdown::Shutdown;
use crate::store::keys;
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{self, Collector, Form};
use prometheus_rsocket_protocol::envelope::OpenLimits;
use prometheus_rsocket_protocol::exposition;
use prometheus_rsocket_protocol::rsocket::connection;
use prometheus_rsocket_runtime::websocket::WebSocketConfig;
use prometheus_rsocket_runtime::{Runtime, sleep_until, tls};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What HTTP, listeners and workers share.
pub(crate) struct Core<R: Runtime> {
    pub(crate) runtime: R,
    config: Config,
    pub(crate) hub: Arc<Hub>,
    pub(crate) telemetry: Arc<Telemetry>,
    toolbox: Arc<Toolbox>,
    pub(crate) listeners: Vec<(&'static str, SocketAddr)>,
    running: AtomicBool,
}

/// Chunks of an answer that wait for a scraper: few, as each may be an application's whole text.
const CHUNKS: usize = 4;
impl<R: Runtime> Core<R> {
    /// Makes the key and the tables.
    pub(crate) async fn new(
        runtime: R,
        config: Config,
        listeners: Vec<(&'static str, SocketAddr)>,
    ) -> Result<Self, StartError> {
        let keys = keys::make(&runtime, &config).await?;
        let telemetry = Arc::new(Telemetry::new(config.runtime.name(), runtime.time_of_day()));
        let collector = Collector::new(collector_config(&config));
        let hub = Arc::new(Hub::new(collector, Arc::clone(&telemetry)));
        let toolbox =
            Arc::new(Toolbox { keys, open: open_limits(&config), text: text_limits(&config) });
        let running = AtomicBool::new(false);
        Ok(Self { runtime, config, hub, telemetry, toolbox, listeners, running })
    }

    /// Does the collector's jobs, as many at once as there are processors.
    pub(crate) fn start_workers(&self, ended: &Shutdown) {
        for _ in 0..self.runtime.parallelism() {
            let (runtime, hub) = (self.runtime.clone(), Arc::clone(&self.hub));
            self.spawn_until(ended, workers::work(runtime, hub, Arc::clone(&self.toolbox)));
        }
    }

    /// Reads a listener's TLS files again now and then, if it has any.
    pub(crate) fn watch_tls(&self, bound: &Bound<R>, ended: &Shutdown) {
        let Some(tls) = bound.tls.clone() else { return };
        let listener = bound.name;
        let on_reload = move |reloaded| match reloaded {
            Ok(true) => {
                tracing::info!(listener, "TLS files have changed; new connections use them")
            }
            Ok(false) => {}
            Err(error) => tracing::error!(
                listener, %error, "changed TLS files cannot be used; going on with the old ones"
            ),
        };
        let every = self.config.tls_reload_interval;
        self.spawn_until(
            ended,
            tls::watch(self.runtime.clone(), move || tls.reload(), every, on_reload),
        );
    }

    /// Accepts applications until the signal.
    pub(crate) fn start_accepting(
        &self,
        tcp: Option<Bound<R>>,
        websocket: Option<Bound<R>>,
        shutdown: &Shutdown,
    ) {
        let mut connection = connection::Config::default();
        connection.max_frame_len = self.config.max_frame_bytes;
        // A push or an answer in fragments may be as long as one in a frame, and a connection has one at a time.
        connection.max_payload_len = self.config.max_frame_bytes;
        connection.max_unfinished = self.config.max_frame_bytes;
        connection.setup_timeout = self.config.setup_timeout;
        let shared = Arc::new(Shared {
            hub: Arc::clone(&self.hub),
            telemetry: Arc::clone(&self.telemetry),
            key: self.toolbox.keys.public_key(),
            connection,
            handshake_timeout: self.config.handshake_timeout,
            slots: Slots::new(self.config.max_connections),
            shutdown: shutdown.clone(),
            logs: Logs::default(),
        });
        for (bound, upgrade) in [(tcp, None), (websocket, Some(self.upgrade_config()))] {
            let Some(Bound { name, listener, tls, .. }) = bound else { continue };
            let (runtime, shared) = (self.runtime.clone(), Arc::clone(&shared));
            let acceptor = Acceptor { runtime, name, tls, upgrade, shared };
            self.spawn_until(shutdown, acceptor.run(listener));
        }
    }

    /// Example applications, if they are asked for. They use a listener without TLS, as they trust nobody.
    pub(crate) fn start_demo(&self, listeners: &[&Option<Bound<R>>]) -> Option<Demo<R>> {
        let plain = |bound: &&Bound<R>| bound.tls.is_none();
        let bound = listeners.iter().filter_map(|bound| bound.as_ref()).find(plain)?;
        let scheme = if bound.name == WEBSOCKET { "ws" } else { "tcp" };
        let path = self.config.websocket_path.as_deref().filter(|_| scheme == "ws").unwrap_or("/");
        Some(demo::start(&self.runtime, scheme, bound.address, path, self.config.demo))
    }

    /// Tells the collector when its deadlines are due.
    pub(crate) async fn keep_time(&self) {
        loop {
            let (next, changed) = self.hub.handle_timeout(self.runtime.now());
            match next {
                Some(deadline) => or(sleep_until(&self.runtime, deadline), changed).await,
                None => changed.await,
            }
        }
    }

    pub(crate) fn scrape_timeouts(&self) -> ScrapeTimeouts {
        ScrapeTimeouts {
            default: self.config.scrape_timeout,
            max: self.config.scrape_timeout_max,
            offset: self.config.scrape_timeout_offset,
        }
    }

    pub(crate) fn http_limits(&self) -> Limits {
        Limits {
            max_connections: self.config.max_http_connections,
            handshake_timeout: self.config.handshake_timeout,
            shutdown_timeout: self.config.shutdown_timeout,
            ..Limits::default()
        }
    }

    /// From now on scrapes are welcome.
    pub(crate) fn set_running(&self) {
        self.running.store(true, Ordering::Relaxed);
    }

    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(listener, _)| *listener == name).map(|(_, address)| *address)
    }

    fn upgrade_config(&self) -> UpgradeConfig {
        let hint = match self.address(HTTP) {
            Some(http) => {
                format!("Metrics are served on port {}, at /metrics/connected.", http.port())
            }
            None => String::new(),
        };
        let mut websocket = WebSocketConfig::default();
        websocket.max_message_len = self.config.max_frame_bytes;
        websocket.max_first_len = connection::Config::default().max_setup_len;
        UpgradeConfig { path: self.config.websocket_path.clone(), hint, websocket }
    }

    fn spawn_until(&self, signal: &Shutdown, future: impl Future<Output = ()> + Send + 'static) {
        let signal = signal.clone();
        self.runtime.spawn(async move { or(future, signal.wait()).await });
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
