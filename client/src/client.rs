use crate::run::{self, Running, Shared};
use crate::url::ProxyUrl;
use async_channel::Sender;
use prometheus_rsocket_protocol::agent::{self, PushFailure};
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_runtime::tls::ClientTlsFiles;
use std::error::Error;
use std::future::{Future, Ready, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why metrics cannot be had; its text is what the proxy is told.
pub type MetricsError = Box<dyn Error + Send + Sync>;

/// How a client behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The proxy.
    pub proxy: ProxyUrl,
    /// Certificates for `tls://` and `wss://`; by default those of the system are trusted, and none is shown.
    pub tls: ClientTlsFiles,
    /// How long opening a connection may take; 10 s by default.
    pub connect_timeout: Duration,
    /// How long the closure may take to give the metrics; 10 s by default.
    pub metrics_timeout: Duration,
    /// Pauses between connections, the last push, keys, limits.
    pub agent: agent::Config,
}

impl Config {
    /// The defaults, for a proxy.
    pub fn new(proxy: ProxyUrl) -> Self {
        Self {
            proxy,
            tls: ClientTlsFiles::default(),
            connect_timeout: Duration::from_secs(10),
            metrics_timeout: Duration::from_secs(10),
            agent: agent::Config::default(),
        }
    }
}

/// A handle to a running client. Clones are handles to the same one; when the last is dropped, the client closes, without a push.
#[derive(Clone, Debug)]
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
    /// Push, then close, and tell how the push went.
    PushAndClose { done: Sender<Result<(), PushFailure>> },
}

/// How it stands between a client and the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// A connection is being opened, or is open and waits for the proxy's key.
    #[default]
    Connecting,
    /// The proxy can scrape the client.
    Ready,
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
    /// `metrics` is called for each scrape, and for the last push.
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
        self.status() == Status::Ready
    }

    /// How it stands between this client and the proxy.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Asks for the metrics a last time, pushes them, and closes. Returns once the connection is closed; takes no longer than
    /// [`push_timeout`](agent::Config::push_timeout) and the closing.
    ///
    /// `Ok` means that the proxy has stored them, or with [`PushMode::FireAndForget`](crate::PushMode::FireAndForget), that they are sent.
    pub async fn push_and_close(&self) -> Result<(), PushFailure> {
        let (done, result) = async_channel::bounded(1);
        let command = Command::PushAndClose { done };
        self.commands.send(command).await.map_err(|_| PushFailure::Closed)?;
        let result = result.recv().await.unwrap_or(Err(PushFailure::Closed));
        self.shared.closed().await;
        result
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
