use crate::pins::PinFile;
use crate::proxies::Proxies;
use crate::run::{self, Running};
use crate::shared::Shared;
use crate::url::ProxyUrl;
use async_channel::Sender;
use bytes::Bytes;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::agent::{self, PushFailure};
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::report::Report;
use prometheus_rsocket_protocol::rsocket::metadata::MimeId;
use prometheus_rsocket_protocol::token::Token;
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_runtime::tls::ClientTls;
use std::error::Error;
use std::future::{Future, Ready, ready};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why metrics cannot be had; its text is what the proxy is told.
pub type MetricsError = Box<dyn Error + Send + Sync>;

/// How a client behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The proxies, in the order of preference. The client is connected to one at a time: when that cannot be reached, refuses the client,
    /// or goes away, the next is tried at once. After [`agent::Config::return_after`] the client looks whether an earlier one can be reached
    /// again, and goes back to it between two scrapes.
    pub proxies: Proxies,
    /// For `tls://` and `wss://`: whom to trust, and who we are. By default the system's certificate authorities are trusted, and
    /// we are nobody. The files are read again for each connection.
    pub tls: Option<ClientTls>,
    /// How long opening a connection may take, with TLS and WebSocket; 10 s by default.
    pub connect_timeout: Duration,
    /// How long the closure may take to give the metrics; 10 s by default.
    pub metrics_timeout: Duration,
    /// Where the keys of proxies are kept from when they were first met; with `None`, nowhere. A proxy that has another key later is not connected to.
    /// Takes the place of [`agent::Config::pins`], with which keys that are known beforehand are pinned.
    pub pin_file: Option<PinFile>,
    /// What tells this application from others; `instance=<the machine's name>` by default. The proxy adds them to the metrics where those
    /// lack them. The original Java proxy does not look at them.
    pub labels: Labels,
    /// The program and its version, for people, such as `orders/1.4.2`; by default it is this crate.
    pub program: String,
    /// The token that says to the proxy who this application is. It is shown to no proxy that is reached neither by TLS nor on this machine
    /// (`localhost`, or an address of loopback): connecting to such a one fails.
    pub token: Option<Token>,
    /// Shows it there as well: whoever listens on the network then has it.
    pub token_in_clear: bool,
    /// Pauses between connections, pushes, keys, limits. How many proxies there are is taken from [`proxies`](Self::proxies). If its SETUP has metadata of its own, that is sent, and
    /// [`labels`](Self::labels) and [`program`](Self::program) are not.
    pub agent: agent::Config,
}

impl Config {
    /// The defaults, for a proxy. Others that stand in for it can be added to [`proxies`](Self::proxies).
    pub fn new(proxy: ProxyUrl) -> Self {
        Self {
            proxies: proxy.into(),
            tls: None,
            connect_timeout: Duration::from_secs(10),
            metrics_timeout: Duration::from_secs(10),
            pin_file: None,
            labels: default_labels(),
            program: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            token: None,
            token_in_clear: false,
            agent: agent::Config::default(),
        }
    }

    /// What the agent is made of: its own configuration, with the hello in SETUP.
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
}

impl Config {
    /// Whether there is a token that must not be shown to this proxy.
    pub fn withholds_token(&self, proxy: &ProxyUrl) -> bool {
        let is_safe = self.token_in_clear || proxy.scheme().is_tls() || proxy.is_local();
        (self.token.is_some() || self.agent.token.is_some()) && !is_safe
    }
}

/// `instance=<the machine's name>`; nothing where it has none that can be a label.
fn default_labels() -> Labels {
    Labels::new(hostname().map(|hostname| ("instance", hostname))).unwrap_or_default()
}

/// The name of this machine or container, if it has one.
pub fn hostname() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.filter(|name| !name.is_empty())
}

/// A handle to a running client. Clones are handles to the same one; when the last is dropped, the client closes, without a push.
#[derive(Clone, Debug)]
#[must_use = "a client closes when the last handle to it is dropped"]
pub struct Client<R> {
    runtime: R,
    commands: Sender<Command>,
    shared: Arc<Shared>,
}

/// What a handle asks of the running client.
#[derive(Debug)]
pub(crate) enum Command {
    /// Close.
    Close,
    /// Push, then close if it is the last, and tell how the push went.
    Push { is_last: bool, done: Sender<Result<(), PushFailure>> },
}

/// How it stands between a client and the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// A connection is being opened, or is open and waits for the proxy's key.
    #[default]
    Connecting,
    /// The proxy can scrape the client.
    Ready {
        /// What the proxy last said about the metrics, if it has anything to say: that they are refused, say. The original Java proxy
        /// says nothing.
        report: Option<Report>,
    },
    /// There is no connection; another attempt follows.
    Waiting {
        /// Why the last one ended, or did not come about.
        reason: String,
        /// When the next attempt follows, by the runtime's clock.
        retry_at: Instant,
    },
    /// The client is closed, or its future was dropped.
    Closed,
}

/// The client was not connected, with a key, within the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// It is closed.
    #[error("the client is closed")]
    Closed,
    /// It goes on trying.
    #[error("not connected in time")]
    TimedOut,
}

/// The client is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is closed")]
pub struct Closed;

impl<R: Runtime> Client<R> {
    /// A client, and the future that it runs as, to be spawned. It begins to connect when that future is first polled, and goes
    /// on for ever: whatever happens to the proxy, it connects again.
    ///
    /// `metrics` is called for each scrape, and for each push.
    pub fn new<M, F>(
        runtime: R,
        config: Config,
        metrics: M,
    ) -> (Self, impl Future<Output = ()> + Send + 'static)
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<String, MetricsError>> + Send + 'static,
    {
        let (sender, commands) = async_channel::bounded(16);
        let shared = Arc::new(Shared::default());
        let running = Running::new(runtime.clone(), config, metrics, commands, Arc::clone(&shared));
        (Self { runtime, commands: sender, shared }, run::run(running))
    }

    /// Waits until the proxy can scrape this client: it is connected, and has a key. Whether or not it is, it goes on.
    pub async fn connect(&self, within: Duration) -> Result<(), ConnectError> {
        match run::within(&self.runtime, within, self.shared.ready()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Closed)) => Err(ConnectError::Closed),
            Err(_) => Err(ConnectError::TimedOut),
        }
    }

    /// Whether the proxy can scrape this client now.
    pub fn is_ready(&self) -> bool {
        matches!(self.status(), Status::Ready { .. })
    }

    /// How it stands between this client and the proxy.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Asks for the metrics, pushes them, and stays connected: for a program that may be frozen or ended without notice once it has done its
    /// work, such as a function in the cloud. Takes no longer than [`push_timeout`](agent::Config::push_timeout); if there is no connection, or
    /// it ends meanwhile, another is sought within that time.
    ///
    /// `Ok` means that the proxy has stored the metrics. With [`PushMode::FireAndForget`](crate::PushMode::FireAndForget) it means that they
    /// are handed to the connection, where up to 64 KiB may still wait to be written: too little for a program that is frozen at once.
    ///
    /// One push is under way at a time. Callers that come meanwhile are served together by the one that follows, so each pushes metrics that
    /// were taken after it called. To drop the future does not call the push off.
    ///
    /// # Errors
    ///
    /// See [`PushFailure`]; it is [`Closed`](PushFailure::Closed) once the client closes. A push that failed may have arrived all the same.
    pub async fn push(&self) -> Result<(), PushFailure> {
        self.ask_for_push(false).await
    }

    /// Asks for the metrics a last time, pushes them, and closes, after a [`push`](Self::push) that is under way. Returns once the connection
    /// is closed; takes no longer than [`push_timeout`](agent::Config::push_timeout) and the closing.
    ///
    /// `Ok` means that the proxy has stored them, or with [`PushMode::FireAndForget`](crate::PushMode::FireAndForget), that they are sent.
    ///
    /// # Errors
    ///
    /// As those of [`push`](Self::push). The client closes in any case.
    pub async fn push_and_close(&self) -> Result<(), PushFailure> {
        let result = self.ask_for_push(true).await;
        self.shared.closed().await;
        result
    }

    async fn ask_for_push(&self, is_last: bool) -> Result<(), PushFailure> {
        let (done, result) = async_channel::bounded(1);
        let command = Command::Push { is_last, done };
        self.commands.send(command).await.map_err(|_| PushFailure::Closed)?;
        result.recv().await.unwrap_or(Err(PushFailure::Closed))
    }

    /// Closes, without a push; returns once the connection is closed.
    pub async fn close(&self) {
        // Fails only where it is closed already.
        let _ = self.commands.send(Command::Close).await;
        self.shared.closed().await;
    }
}

#[cfg(feature = "tokio")]
impl Client<prometheus_rsocket_tokio::Tokio> {
    /// A client that runs on the tokio runtime that this is called on.
    ///
    /// # Panics
    ///
    /// When called outside of one.
    pub fn spawn<M, F>(config: Config, metrics: M) -> Self
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<String, MetricsError>> + Send + 'static,
    {
        let runtime = prometheus_rsocket_tokio::Tokio::current();
        let (client, running) = Self::new(runtime.clone(), config, metrics);
        runtime.spawn(running);
        client
    }
}

/// Metrics from a closure that has them at hand, for [`Client::new`]. It is called where the client's future runs, so it should take
/// no longer than some milliseconds.
pub fn from_fn<M, E>(
    mut metrics: M,
) -> impl FnMut() -> Ready<Result<String, MetricsError>> + Send + 'static
where
    M: FnMut() -> Result<String, E> + Send + 'static,
    E: Into<MetricsError>,
{
    move || ready(metrics().map_err(Into::into))
}
