//! The configuration of a client.

use crate::pins::PinFile;
use crate::proxies::Proxies;
use crate::tunnel::Route;
use crate::url::ProxyUrl;
use bytes::Bytes;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::agent;
use prometheus_rsocket_protocol::envelope::Fingerprint;
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::rsocket::metadata::MimeId;
use prometheus_rsocket_protocol::token::Token;
#[cfg(feature = "_tls")]
use prometheus_rsocket_runtime::tls::ClientTls;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// The configuration of a client, for [`Client::new`](crate::Client::new). Use it in programs that have settings of their own to fill it from;
/// elsewhere [`Client::builder`](crate::Client::builder) is shorter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The proxies, in the order of preference. The client is connected to one at a time. When that one cannot be reached, refuses the client, or
    /// goes away, it tries the next one at once. After [`agent::Config::return_after`] it checks whether an earlier one can be reached again, and
    /// goes back between two scrapes.
    pub proxies: Proxies,
    /// For `tls://` and `wss://`: the CAs to trust, and the certificate to present. By default the system's certificate authorities are trusted, and
    /// no certificate is presented. The files are read again for each connection.
    #[cfg(feature = "_tls")]
    pub tls: Option<ClientTls>,
    /// How connections to proxies leave the network: directly by default.
    pub route: Route,
    /// Time limit for opening a connection, with tunnel, TLS and WebSocket; 10 s by default.
    pub connect_timeout: Duration,
    /// Time limit for the source; 10 s by default.
    pub metrics_timeout: Duration,
    /// The file that stores the first key of each proxy, or `None`. The client does not connect to a proxy that has another key later. Replaces
    /// [`agent::Config::pins`], which pins keys that are known in advance.
    pub pin_file: Option<PinFile>,
    /// The labels that identify this application; `instance=<the machine's name>` by default. The proxy adds them to series that lack them. The
    /// original Java proxy ignores them.
    pub labels: Labels,
    /// The name and version of the program, for display, such as `orders/1.4.2`; by default those of this crate.
    pub program: String,
    /// The token that identifies this application to the proxy. It is sent only over TLS or to this machine (`localhost`, or a loopback address);
    /// connecting to another proxy fails.
    pub token: Option<Token>,
    /// Sends the token to other proxies, too; an eavesdropper on the network then has it.
    pub token_in_clear: bool,
    /// Adds the client's [own metrics](crate::Client::own_metrics) to those of the source.
    pub own_metrics: bool,
    /// Called when a connection has received its key.
    pub on_key: Option<OnKey>,
    /// The agent's settings: pauses between connections, pushes, keys, limits. Its number of proxies is replaced by that of
    /// [`proxies`](Self::proxies). If its SETUP has metadata of its own, that is sent instead of [`labels`](Self::labels) and
    /// [`program`](Self::program).
    pub agent: agent::Config,
}

impl Config {
    /// Returns the defaults for a proxy. Add others that take over to [`proxies`](Self::proxies).
    pub fn new(proxy: ProxyUrl) -> Self {
        Self {
            proxies: proxy.into(),
            #[cfg(feature = "_tls")]
            tls: None,
            route: Route::Direct,
            connect_timeout: Duration::from_secs(10),
            metrics_timeout: Duration::from_secs(10),
            pin_file: None,
            labels: default_labels(),
            program: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            token: None,
            token_in_clear: false,
            own_metrics: false,
            on_key: None,
            agent: agent::Config::default(),
        }
    }

    /// The agent's configuration, with the hello in its SETUP.
    pub(crate) fn agent(&self) -> agent::Config {
        let mut agent = self.agent.clone();
        if self.token.is_some() {
            agent.token.clone_from(&self.token);
        }
        agent.proxies = NonZeroUsize::new(self.proxies.iter().count()).unwrap_or(NonZeroUsize::MIN);
        if let Some(file) = &self.pin_file {
            agent.pins = agent::Pins::FirstUse(file.of(&self.proxies));
        }
        if agent.setup.payload.metadata.is_none() {
            let composite = MimeId::COMPOSITE_METADATA.name().unwrap_or_default();
            agent.setup.metadata_mime = Bytes::from_static(composite.as_bytes());
            let mut hello = Hello::new(self.labels.clone(), &*self.program);
            hello.seals_v2 = true;
            agent.setup.payload.metadata = Some(hello.encode());
        }
        agent
    }

    /// Whether there is a token that must not be sent to this proxy.
    pub fn withholds_token(&self, proxy: &ProxyUrl) -> bool {
        let is_safe =
            self.token_in_clear || proxy.scheme().is_tls() || self.route.stays_here(proxy);
        (self.token.is_some() || self.agent.token.is_some()) && !is_safe
    }
}

/// The function of [`ClientBuilder::on_key`](crate::ClientBuilder::on_key), in a [`Config`]. Its argument is the SHA-256 of the proxy's key, or
/// `None` if the proxy wants no encryption.
#[derive(Clone)]
pub struct OnKey(Arc<dyn Fn(Option<Fingerprint>) + Send + Sync>);

impl OnKey {
    /// Wraps a function, which must not block.
    pub fn new(called: impl Fn(Option<Fingerprint>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(called))
    }

    pub(crate) fn call(&self, key: Option<Fingerprint>) {
        // This is the application's own code, which may panic.
        if catch_unwind(AssertUnwindSafe(|| (self.0)(key))).is_err() {
            tracing::error!("the callback for the proxy's key panicked");
        }
    }
}

impl fmt::Debug for OnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnKey")
    }
}

/// `instance=<the machine's name>`; empty if the machine has no name that is a valid label.
fn default_labels() -> Labels {
    Labels::new(hostname().map(|hostname| ("instance", hostname))).unwrap_or_default()
}

/// Returns the name of this machine or container, if it has one: the default of the label `instance`.
///
/// # Examples
///
/// ```
/// let instance = prometheus_rsocket_client::hostname().unwrap_or_else(|| "unknown".to_owned());
/// ```
pub fn hostname() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.filter(|name| !name.is_empty())
}
