use crate::auth::applications::Applications;
use crate::auth::live::{AuthFileError, LiveFile};
use crate::auth::scrapers::{ScraperGate, Scrapers};
use crate::config::Config;
use crate::demo::{self, Demo};
use crate::http::{self, Limits, Listening, Pages, Router, TargetAddress};
use crate::ingress::acceptor::Acceptor;
use crate::ingress::bind::{Bound, StartError};
use crate::ingress::places::Places;
use crate::ingress::reserve::Reserve;
use crate::ingress::rsocket::RsocketServer;
use crate::ingress::slots::Slots;
use crate::ingress::websocket::UpgradeConfig;
use crate::observe::telemetry::Telemetry;
use crate::reload::{self, Live, Reloading};
use crate::service::admission::Admission;
use crate::service::admitting::Admitting;
use crate::service::backend::Service;
use crate::service::hub::Hub;
use crate::service::leaving;
use crate::service::looks::Looks;
use crate::service::memory::{BodyMemory, Shares, TextMemory};
use crate::service::rotation::Rotation;
use crate::service::storing::{self, Storing};
use crate::service::tables::Tables;
use crate::service::workers::{self, WorkerContext};
use crate::shutdown::{self, Shutdown};
use crate::store::disk::SharedDisk;
use crate::store::keys;
use event_listener::Event;
use futures_lite::future::{or, zip};
use prometheus_rsocket_protocol::collector::Collector;
use prometheus_rsocket_protocol::envelope::KeyUnwrap;
use prometheus_rsocket_protocol::rsocket::connection;
use prometheus_rsocket_runtime::tls::ServerTls;
use prometheus_rsocket_runtime::websocket::WebSocketConfig;
use prometheus_rsocket_runtime::{Runtime, sleep_until, timeout, watch_when};
use std::fmt;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A proxy whose listeners are open; [`run`](Self::run) serves them.
pub struct Proxy<R: Runtime> {
    config: Config,
    service: Arc<Service<R>>,
    storing: Option<Storing<R>>,
    admitting: Option<Arc<Admitting<R>>>,
    tcp: Option<Bound<R>>,
    websocket: Option<Bound<R>>,
    http: Option<Bound<R>>,
    admin: Option<Bound<R>>,
    gate: Option<Arc<ScraperGate>>,
    places: Arc<Places>,
    /// Makes the proxy check all files that it uses.
    reread: Arc<Event>,
    reloading: Option<Reloading>,
}

/// A view of a proxy, also while it runs and after it has stopped.
#[derive(Clone)]
pub struct Watch {
    hub: Arc<Hub>,
}

impl Watch {
    /// Returns the sizes of the proxy's tables.
    pub fn tables(&self) -> Tables {
        self.hub.tables()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.tables()).finish()
    }
}

/// The listeners' names.
pub(crate) const TCP: &str = "tcp";
pub(crate) const WEBSOCKET: &str = "websocket";
pub(crate) const HTTP: &str = "http";
pub(crate) const ADMIN: &str = "admin";

/// Connections to the listener for status pages at once, besides the spare ones.
pub(crate) const ADMIN_CONNECTIONS: usize = 16;

impl<R: Runtime> Proxy<R> {
    /// Opens the listeners, reads the pushes that an earlier proxy has left, and makes the key pair that all connections use.
    pub async fn bind(runtime: R, config: Config) -> Result<Self, StartError> {
        let disk = storing::directory(&runtime, &config).await?;
        Self::bind_with(runtime, config, disk).await
    }

    /// Does the same with a disk for pushes, in place of the configured directory.
    pub async fn bind_with(
        runtime: R,
        mut config: Config,
        disk: Option<SharedDisk>,
    ) -> Result<Self, StartError> {
        // The configuration says whether pushes are stored.
        if disk.is_some() {
            config.push_dir.get_or_insert_default();
        }
        // Listeners first: an address in use is noticed immediately, whereas a key takes a moment.
        let c = &config;
        let tcp = Bound::open(&runtime, TCP, &c.listen_tcp, c.tcp_tls.as_ref()).await?;
        let (listen, tls) = (&c.listen_websocket, c.websocket_tls.as_ref());
        let websocket = Bound::open(&runtime, WEBSOCKET, listen, tls).await?;
        let http = Bound::open(&runtime, HTTP, &c.listen_http, c.http_tls.as_ref()).await?;
        let admin = Bound::open(&runtime, ADMIN, &c.listen_admin, c.http_tls.as_ref()).await?;
        let gate = scraper_gate(&runtime, c).await?;
        let bounds: Vec<_> = [&tcp, &websocket, &http, &admin].into_iter().flatten().collect();
        let listeners = bounds.iter().map(|bound| (bound.name, bound.address)).collect();
        let tls =
            bounds.iter().filter_map(|bound| Some((bound.name, bound.tls.clone()?))).collect();
        let service = Arc::new(service(runtime, &config, listeners, tls).await?);
        let Service { runtime, hub, context, .. } = &*service;
        let storing = match disk {
            Some(disk) => Some(Storing::restore(runtime, hub, context, &config, disk).await?),
            None => None,
        };
        let admitting = admitting(runtime, &service, &config).await?;
        let places = Places::new(config.max_connections, 2 * config.max_turned_away);
        Ok(Self {
            config,
            service,
            storing,
            admitting,
            tcp,
            websocket,
            http,
            admin,
            gate,
            places,
            reread: Arc::default(),
            reloading: None,
        })
    }

    /// Returns the same proxy, which reads its configuration again while it runs.
    #[must_use]
    pub fn reloading(self, reloading: Reloading) -> Self {
        Self { reloading: Some(reloading), ..self }
    }

    /// Returns the address for applications over TCP, with the real port; `None` if that listener is off.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().map(|bound| bound.address)
    }

    /// Returns the address for applications over WebSocket, with the real port; `None` if that listener is off.
    pub fn websocket_address(&self) -> Option<SocketAddr> {
        self.websocket.as_ref().map(|bound| bound.address)
    }

    /// Returns the address that Prometheus scrapes, with the real port; `None` if that listener is off.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|bound| bound.address)
    }

    /// Returns the address of the status pages, with the real port; `None` if they are served on the HTTP address.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|bound| bound.address)
    }

    /// Returns the name and the real address of each listener.
    pub fn listeners(&self) -> &[(&'static str, SocketAddr)] {
        &self.service.listeners
    }

    /// Returns a view of the proxy, for use while it runs.
    pub fn watch(&self) -> Watch {
        Watch { hub: Arc::clone(&self.service.hub) }
    }

    /// Serves until the signal is given. Then the proxy is not ready any more, and after the configured delay it refuses applications and closes the
    /// connections that it has. HTTP goes on until pushes are scraped or their time is over. In the end, no more connections are accepted, scrapes
    /// under way are finished, and each remaining connection is ended by an ERROR frame. Each of these steps takes a bounded time.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { config, service, storing, admitting, tcp, websocket, http, .. } = self;
        let (admin, gate, reread) = (self.admin, self.gate, &self.reread);
        let runtime = service.runtime.clone();
        // Dropped when this returns, which ends the background tasks.
        let (_running, ended) = shutdown::channel();
        start_workers(&service, &ended);
        if let Some(storing) = storing {
            spawn_until(&runtime, &ended, storing.run());
        }
        for bound in [&tcp, &websocket, &http, &admin].into_iter().flatten() {
            watch_tls(&runtime, &config, bound, reread, &ended);
        }
        if let Some(admitting) = admitting {
            let every = config.tls_reload_interval;
            let watching = Arc::clone(&admitting).watch(every, Arc::clone(reread));
            spawn_until(&runtime, &ended, watching);
            spawn_until(&runtime, &ended, async move { admitting.run().await });
        }
        if let Some(gate) = &gate {
            let watching = watch_scrapers(
                runtime.clone(),
                Arc::clone(gate.file()),
                config.tls_reload_interval,
                Arc::clone(reread),
            );
            spawn_until(&runtime, &ended, watching);
        }
        let (keys, telemetry) = (&service.context.keys, &service.telemetry);
        if let Some(rotation) = Rotation::new(&runtime, &service.hub, keys, telemetry, &config) {
            spawn_until(&runtime, &ended, rotation.run());
        }
        let _demo = start_demo(&runtime, &config, [&tcp, &websocket]);
        let (stop, stopping) = shutdown::channel();
        accept_applications(&service, &config, &self.places, (tcp, websocket), &stopping);
        let pages = if admin.is_some() { Pages::Metrics } else { Pages::All };
        let serve = async |bound, pages| match bound {
            Some(bound) => {
                let limits = config.http_limits();
                serve_http(&service, limits, bound, (pages, &gate), &stopping).await
            }
            None => stopping.wait().await,
        };
        let serving = async {
            zip(serve(http, pages), serve(admin, Pages::Admin)).await;
        };
        let draining = async {
            shutdown.wait().await;
            leaving::drain(&runtime, &service.hub, service.config.get().drain()).await;
            stop.trigger();
            pending().await
        };
        if let Some(reloading) = self.reloading {
            let (service, places) = (Arc::clone(&service), Arc::clone(&self.places));
            let live = Live { service, places, reread: Arc::clone(reread) };
            spawn_until(&runtime, &ended, reload::run(live, reloading));
        }
        service.set_running();
        // Workers and timers go on until the last scrape is finished.
        or(or(serving, draining), keep_time(&runtime, &service.hub)).await;
        service.hub.drain();
        let deadline = runtime.now() + leaving::GOODBYE;
        if timeout(&runtime, deadline, service.hub.drained()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}

/// Makes the key and the tables.
async fn service<R: Runtime>(
    runtime: R,
    config: &Config,
    listeners: Vec<(&'static str, SocketAddr)>,
    tls: Vec<(&'static str, ServerTls)>,
) -> Result<Service<R>, StartError> {
    let started = runtime.now();
    let keys = keys::make(&runtime, config).await?;
    let mut seed = [0; 8];
    runtime.fill_random(&mut seed).map_err(|error| StartError::System(error.to_string()))?;
    let telemetry =
        Arc::new(Telemetry::new(config.runtime.name(), keys.backend_name(), runtime.time_of_day()));
    telemetry.keys(&keys);
    let mut collector = config.collector();
    collector.key = keys.public_key();
    let collector = Collector::new(collector);
    let shares = Shares::of(config.max_memory);
    let context = WorkerContext {
        keys,
        rules: config.rules().into(),
        seed: u64::from_ne_bytes(seed),
        texts: TextMemory::new(shares.texts / 2),
        rendered: TextMemory::new(shares.texts / 2),
    };
    Ok(Service {
        runtime,
        hub: Arc::new(Hub::new(collector, Arc::clone(&telemetry), &shares)),
        telemetry,
        context: Arc::new(context),
        bodies: BodyMemory::new(shares.bodies),
        admission: Admission::new(config.max_scrapes(), config.max_concurrent_scrapes),
        config: config.clone().into(),
        listeners,
        running: false.into(),
        looks: Looks::new(started, tls),
    })
}

/// Reads the credentials of applications, if some are configured.
async fn admitting<R: Runtime>(
    runtime: &R,
    service: &Service<R>,
    config: &Config,
) -> Result<Option<Arc<Admitting<R>>>, StartError> {
    let Some(path) = config.auth_file.clone() else { return Ok(None) };
    let load = move || LiveFile::load(path, Applications::parse);
    let loaded = runtime.unblock(load).await?;
    let file = loaded.map_err(|error| StartError::Auth { option: "auth-file", error })?;
    let (runtime, hub) = (runtime.clone(), Arc::clone(&service.hub));
    Ok(Some(Arc::new(Admitting::new(runtime, hub, Arc::new(file), service.config.clone()))))
}

/// Reads who may scrape; `None` if anybody may.
async fn scraper_gate<R: Runtime>(
    runtime: &R,
    config: &Config,
) -> Result<Option<Arc<ScraperGate>>, StartError> {
    let Some(path) = config.http_auth_file.clone() else { return Ok(None) };
    let loaded = runtime.unblock(move || LiveFile::load(path, Scrapers::parse)).await?;
    let file = loaded.map_err(|error| StartError::Auth { option: "http-auth-file", error })?;
    let mut key = [0; 32];
    runtime.fill_random(&mut key).map_err(|error| StartError::System(error.to_string()))?;
    Ok(Some(Arc::new(ScraperGate::new(Arc::new(file), key))))
}

/// Reads again who may scrape, at intervals and when asked to.
async fn watch_scrapers<R: Runtime>(
    runtime: R,
    file: Arc<LiveFile<Scrapers>>,
    every: Duration,
    asked: Arc<Event>,
) {
    let on_reload = |reloaded: Result<bool, AuthFileError>| match reloaded {
        Ok(true) => tracing::info!("--http-auth-file has changed and is in use"),
        Ok(false) => {}
        Err(error) => tracing::error!(
            %error, "a changed --http-auth-file cannot be used; what it said before counts"
        ),
    };
    watch_when(runtime, move || file.reload(), every, || asked.listen(), on_reload).await;
}

/// Starts the workers, and the tasks that end connections which take too much memory or are too old.
fn start_workers<R: Runtime>(service: &Service<R>, ended: &Shutdown) {
    let Service { runtime, hub, context, config, .. } = service;
    for _ in 0..runtime.parallelism() {
        let work = workers::work(runtime.clone(), Arc::clone(hub), Arc::clone(context));
        spawn_until(runtime, ended, work);
    }
    spawn_until(runtime, ended, Arc::clone(hub.memory()).run(runtime.clone()));
    let aging = leaving::age(runtime.clone(), Arc::clone(hub), config.clone());
    spawn_until(runtime, ended, aging);
}

/// Accepts applications until the signal.
fn accept_applications<R: Runtime>(
    service: &Service<R>,
    config: &Config,
    places: &Arc<Places>,
    (tcp, websocket): (Option<Bound<R>>, Option<Bound<R>>),
    shutdown: &Shutdown,
) {
    let leaving = Slots::new(config.max_turned_away);
    let upgrade = upgrade_config(service, config);
    for (bound, upgrade) in [(tcp, None), (websocket, Some(upgrade))] {
        let Some(Bound { name, listener, tls, .. }) = bound else { continue };
        let runtime = service.runtime.clone();
        let server = RsocketServer {
            runtime: runtime.clone(),
            name,
            upgrade,
            hub: Arc::clone(&service.hub),
            balancers: config.balancers(),
            places: Arc::clone(places),
            leaving: Arc::clone(&leaving),
            telemetry: Arc::clone(&service.telemetry),
            config: service.config.clone(),
            handshake_timeout: config.handshake_timeout,
            shutdown: shutdown.clone(),
            logs: Default::default(),
        };
        let acceptor = Acceptor {
            runtime: runtime.clone(),
            name,
            tls,
            handshake_timeout: config.handshake_timeout,
            shutdown: shutdown.clone(),
            server: Arc::new(server),
            reserve: Reserve::new(0),
            logs: Default::default(),
        };
        runtime.spawn(acceptor.run(listener));
    }
}

/// Serves HTTP until the signal, and until the answers under way are sent.
async fn serve_http<R: Runtime>(
    service: &Arc<Service<R>>,
    limits: Limits,
    bound: Bound<R>,
    (pages, gate): (Pages, &Option<Arc<ScraperGate>>),
    shutdown: &Shutdown,
) {
    let Bound { name, listener, tls, .. } = bound;
    let advertised = service.config.get().advertise_http.clone();
    let targets = TargetAddress { advertised, is_https: tls.is_some() };
    let (backend, telemetry) = (Arc::clone(service), Arc::clone(&service.telemetry));
    let router = Router::new(backend, telemetry, targets);
    let router = Arc::new(router.with_pages(pages));
    let limits = match (pages, limits) {
        // The listener for people.
        (Pages::Admin, limits) => Limits { max_connections: ADMIN_CONNECTIONS, ..limits },
        (_, limits) => limits,
    };
    let runtime = service.runtime.clone();
    let places = http::Places::new(limits.max_connections, limits.spare_connections);
    service.looks.add_places(name, limits.max_connections, Arc::clone(&places));
    let listening = Listening { name, listener, tls, gate: gate.clone(), places };
    http::serve(runtime, listening, router, limits, shutdown.clone()).await;
}

/// Drives the collector's deadlines.
async fn keep_time<R: Runtime>(runtime: &R, hub: &Hub) {
    loop {
        let (next, changed) = hub.handle_timeout(runtime.now());
        match next {
            Some(deadline) => or(sleep_until(runtime, deadline), changed).await,
            None => changed.await,
        }
    }
}

/// Reads a listener's TLS files again at intervals, if it has any.
fn watch_tls<R: Runtime>(
    runtime: &R,
    config: &Config,
    bound: &Bound<R>,
    asked: &Arc<Event>,
    ended: &Shutdown,
) {
    let Some(tls) = bound.tls.clone() else { return };
    let listener = bound.name;
    let on_reload = move |reloaded| match reloaded {
        Ok(true) => tracing::info!(listener, "TLS files have changed; new connections use them"),
        Ok(false) => {}
        Err(error) => tracing::error!(
            listener, %error, "changed TLS files cannot be used; the old ones stay in use"
        ),
    };
    let every = config.tls_reload_interval;
    let (runtime_of_watch, asked) = (runtime.clone(), Arc::clone(asked));
    let watching = async move {
        let asked = || asked.listen();
        watch_when(runtime_of_watch, move || tls.reload(), every, asked, on_reload).await;
    };
    spawn_until(runtime, ended, watching);
}

/// Starts example applications, if some are configured. They use a listener without TLS, as they trust no CA.
fn start_demo<R: Runtime>(
    runtime: &R,
    config: &Config,
    listeners: [&Option<Bound<R>>; 2],
) -> Option<Demo> {
    let mut bounds = listeners.into_iter().flatten();
    let bound = bounds.find(|bound| bound.tls.is_none())?;
    let scheme = if bound.name == WEBSOCKET { "ws" } else { "tcp" };
    let path = config.websocket_path.as_deref().filter(|_| scheme == "ws").unwrap_or("/");
    Some(demo::start(runtime, scheme, bound.address, path, config.demo))
}

fn upgrade_config<R>(service: &Service<R>, config: &Config) -> UpgradeConfig {
    let http = service.listeners.iter().find(|(name, _)| *name == HTTP);
    let hint = http.map_or_else(String::new, |(_, http)| {
        format!("Metrics are served on port {}, at /metrics/connected.", http.port())
    });
    let mut websocket = WebSocketConfig::default();
    websocket.max_message_len = config.max_frame_bytes;
    websocket.max_first_len = connection::Config::default().max_setup_len;
    let path = config.websocket_path.clone();
    UpgradeConfig { path, hint, is_full: false, websocket }
}

fn spawn_until<R: Runtime>(
    runtime: &R,
    signal: &Shutdown,
    future: impl Future<Output = ()> + Send + 'static,
) {
    let signal = signal.clone();
    runtime.spawn(async move { or(future, signal.wait()).await });
}
