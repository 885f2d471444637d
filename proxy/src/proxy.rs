use crate::config::Config;
use crate::core::Core;
use crate::http::{self, Router};
use crate::ingress::bind::{Bound, StartError};
use crate::service::hub::{Hub, Tables};
use crate::shutdown::{self, Shutdown};
use futures_lite::future::or;
use prometheus_rsocket_runtime::{Runtime, timeout};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A proxy whose listeners are open; [`run`](Self::run) serves them.
pub struct Proxy<R: Runtime> {
    core: Arc<Core<R>>,
    tcp: Option<Bound<R>>,
    websocket: Option<Bound<R>>,
    http: Option<Bound<R>>,
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

/// The listeners' names.
pub(crate) const TCP: &str = "tcp";
pub(crate) const WEBSOCKET: &str = "websocket";
pub(crate) const HTTP: &str = "http";

/// How long connections may take to end, once the proxy has said that it goes.
const GOODBYE: Duration = Duration::from_secs(3);

impl<R: Runtime> Proxy<R> {
    /// Opens the listeners and makes the key pair that all connections use.
    pub async fn bind(runtime: R, config: Config) -> Result<Self, StartError> {
        // Listeners first: an address in use is known at once, a key takes a moment.
        let Config { listen_tcp, listen_websocket, listen_http, .. } = &config;
        let Config { tcp_tls, websocket_tls, http_tls, .. } = &config;
        let tcp = Bound::open(&runtime, TCP, listen_tcp, tcp_tls.as_ref()).await?;
        let websocket =
            Bound::open(&runtime, WEBSOCKET, listen_websocket, websocket_tls.as_ref()).await?;
        let http = Bound::open(&runtime, HTTP, listen_http, http_tls.as_ref()).await?;
        let listeners = [(TCP, &tcp), (WEBSOCKET, &websocket), (HTTP, &http)];
        let address = |(name, bound): (_, &Option<Bound<R>>)| Some((name, bound.as_ref()?.address));
        let listeners = listeners.into_iter().filter_map(address).collect();
        let core = Arc::new(Core::new(runtime, config, listeners).await?);
        Ok(Self { core, tcp, websocket, http })
    }

    /// Where applications connect over TCP, with the real port.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.core.address(TCP)
    }

    /// Where applications connect over WebSocket, with the real port.
    pub fn websocket_address(&self) -> Option<SocketAddr> {
        self.core.address(WEBSOCKET)
    }

    /// Where Prometheus scrapes, with the real port.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.core.address(HTTP)
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
        let Self { core, tcp, websocket, http } = self;
        let runtime = core.runtime.clone();
        // Dropped when this returns, which ends what goes on in the background.
        let (_running, ended) = shutdown::channel();
        core.start_workers(&ended);
        for bound in [&tcp, &websocket, &http].into_iter().flatten() {
            core.watch_tls(bound, &ended);
        }
        let _demo = core.start_demo(&[&tcp, &websocket]);
        core.start_accepting(tcp, websocket, &shutdown);
        let serving = async {
            match http {
                Some(Bound { listener, tls, .. }) => {
                    let (timeouts, limits) = (core.scrape_timeouts(), core.http_limits());
                    let telemetry = Arc::clone(&core.telemetry);
                    let router = Arc::new(Router::new(Arc::clone(&core), telemetry, timeouts));
                    let (runtime, shutdown) = (runtime.clone(), shutdown.clone());
                    http::serve(runtime, listener, tls, router, limits, shutdown).await;
                }
                None => shutdown.wait().await,
            }
        };
        core.set_running();
        // Workers and timers go on until the last scrape is through.
        or(serving, core.keep_time()).await;
        core.hub.drain();
        let deadline = runtime.now() + GOODBYE;
        if timeout(&runtime, deadline, core.hub.drained()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}
