use crate::builder::ClientBuilder;
use crate::config::Config;
use crate::run::{self, Running};
use crate::source::Source;
use crate::status::{Shared, Status, StatusChanges};
use crate::url::{ProxyUrl, UrlError};
use async_channel::Sender;
use futures_lite::FutureExt;
use prometheus_rsocket_protocol::agent::PushFailure;
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A handle to a running client; [`Client::builder`] starts one. Clones are handles to the same client; when the last one is dropped, the client
/// closes, without a push.
#[derive(Clone)]
#[must_use = "a client closes when the last handle to it is dropped"]
pub struct Client {
    commands: Sender<Command>,
    shared: Arc<Shared>,
    sleep: Arc<Sleep>,
}

/// Waits on the clock of the client's runtime.
type Sleep = dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A command of a handle to the running client.
#[derive(Debug)]
pub(crate) enum Command {
    /// Close.
    Close,
    /// Push, then close if this is the last push, and send the result to `done`.
    Push { is_last: bool, done: Sender<Result<(), PushFailure>> },
}

/// The error of [`Client::wait_ready`]: the proxy could not scrape the client within the time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// The client has given up, and is closed.
    #[error("the client has given up connecting: {reason}")]
    GaveUp {
        /// Why the last attempt failed.
        reason: String,
    },
    /// The client keeps trying.
    #[error("not connected in time: {reason}")]
    TimedOut {
        /// Why there is no connection yet, if that is known.
        reason: String,
    },
}

impl Client {
    /// Returns a builder for a client of the proxy at `proxy`: `tcp://HOST:PORT`, `tls://HOST:PORT`, `ws://HOST:PORT/PATH` or `wss://HOST:PORT/PATH`.
    ///
    /// # Errors
    ///
    /// The URL is invalid.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(feature = "tokio")]
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// use prometheus_rsocket_client::Client;
    ///
    /// let client = Client::builder("tcp://proxy.example.org:7001")?
    ///     .label("application", "orders")
    ///     .spawn(|| "orders_total 42\n".to_owned())?;
    /// # Ok(()) }
    /// ```
    pub fn builder<U>(proxy: U) -> Result<ClientBuilder, UrlError>
    where
        U: TryInto<ProxyUrl>,
        UrlError: From<U::Error>,
    {
        Ok(ClientBuilder::from(Config::new(proxy.try_into()?)))
    }

    /// Returns a client, and the future that it runs in, which the caller spawns on `runtime`. The client begins to connect when that future is first
    /// polled. Whatever happens to the proxy, it reconnects until it is closed, or until as many attempts have failed as
    /// [`max_retries`](ClientBuilder::max_retries) allows. Then the future ends.
    ///
    /// `source` is asked for the metrics for each scrape, and for each push.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use prometheus_rsocket_client::{Client, Config, Runtime, Tokio};
    ///
    /// let config = Config::new("tcp://localhost:7001".parse()?);
    /// Tokio::block_on(None, |runtime| async move {
    ///     let metrics = || "jobs_done_total 42\n".to_owned();
    ///     let (client, running) = Client::new(runtime.clone(), config, metrics);
    ///     runtime.spawn(running);
    ///     client.close().await;
    /// })?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "tokio"))] fn main() {}
    /// ```
    pub fn new<R: Runtime>(
        runtime: R,
        config: Config,
        source: impl Source,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (commands, receiver) = async_channel::bounded(16);
        let shared = Arc::new(Shared::default());
        let clock = runtime.clone();
        let sleep = move |time: Duration| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let clock = clock.clone();
            match clock.now().checked_add(time) {
                Some(end) => Box::pin(async move { sleep_until(&clock, end).await }),
                // The end overflows `Instant`, so there is no time limit.
                None => Box::pin(pending()),
            }
        };
        let client = Self { commands, shared: Arc::clone(&shared), sleep: Arc::new(sleep) };
        let running = Running::new(runtime, config, Box::new(source), receiver, shared);
        (client, run::run(running))
    }

    /// Waits until the proxy can scrape this client, which means that it is connected and has a key. The client goes on in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// use prometheus_rsocket_client::Client;
    /// use std::time::Duration;
    ///
    /// async fn wait_a_moment(client: &Client) {
    ///     if let Err(error) = client.wait_ready(Duration::from_secs(1)).await {
    ///         eprintln!("{error}; the client goes on trying");
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The proxy cannot scrape the client `within` the time, or never will.
    pub async fn wait_ready(&self, within: Duration) -> Result<(), WaitError> {
        let is_settled =
            |status: &Status| matches!(status, Status::Ready { .. }) || status.is_final();
        let waiting = async { Some(self.shared.until(is_settled).await) };
        let late = async {
            (self.sleep)(within).await;
            None
        };
        match waiting.or(late).await.unwrap_or_else(|| self.status()) {
            Status::Ready { .. } => Ok(()),
            Status::Closed => Err(WaitError::Closed),
            Status::GaveUp { reason } => Err(WaitError::GaveUp { reason }),
            Status::Waiting { reason, .. } => Err(WaitError::TimedOut { reason }),
            Status::Connecting => {
                Err(WaitError::TimedOut { reason: "the proxy has not answered".to_owned() })
            }
        }
    }

    /// Returns whether the proxy can scrape this client now.
    pub fn is_ready(&self) -> bool {
        matches!(self.status(), Status::Ready { .. })
    }

    /// Returns the state of the connection between this client and the proxy.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Returns a stream of the current status and every change.
    ///
    /// # Examples
    ///
    /// ```
    /// use prometheus_rsocket_client::{Client, Status};
    ///
    /// async fn watch(client: &Client) {
    ///     let mut changes = client.status_changes();
    ///     while let Some(status) = changes.next().await {
    ///         if let Status::Waiting { reason, .. } = status {
    ///             eprintln!("no proxy: {reason}");
    ///         }
    ///     }
    /// }
    /// ```
    pub fn status_changes(&self) -> StatusChanges {
        StatusChanges::new(Arc::clone(&self.shared))
    }

    /// Returns the client's own metrics, `prometheus_rsocket_client_*`, in the text format 0.0.4: whether it is connected, attempts to connect,
    /// errors by reason, scrapes and pushes by outcome. [`ClientBuilder::own_metrics`] adds them to the metrics of the source.
    pub fn own_metrics(&self) -> String {
        self.shared.own_metrics()
    }

    /// Pushes the current metrics and stays connected, for programs that may be frozen or ended without notice once they have done their work, such
    /// as cloud functions. It takes no longer than [`push_timeout`](ClientBuilder::push_timeout); if there is no connection, or it ends meanwhile,
    /// the client opens another one within that time.
    ///
    /// `Ok` means that the proxy has stored the metrics. With [`PushMode::FireAndForget`](crate::PushMode::FireAndForget) it means that they were
    /// passed to the connection, where up to 64 KiB may still wait to be written, so a program that is frozen at once may lose them.
    ///
    /// One push is under way at a time. Callers that arrive meanwhile share the one that follows, so each call pushes metrics that were taken after
    /// it began. Dropping the future does not cancel the push.
    ///
    /// The [front page](crate#functions-that-are-frozen) has an example.
    ///
    /// # Errors
    ///
    /// See [`PushFailure`]; it is [`Closed`](PushFailure::Closed) once the client closes. A push that failed may have reached the proxy nevertheless.
    pub async fn push(&self) -> Result<(), PushFailure> {
        self.ask_for_push(false).await
    }

    /// Pushes the current metrics and closes, after a [`push`](Self::push) that is under way. Returns when the connection is closed; takes no longer
    /// than [`push_timeout`](ClientBuilder::push_timeout) and closing.
    ///
    /// `Ok` means that the proxy has stored them, or with [`PushMode::FireAndForget`](crate::PushMode::FireAndForget), that they are sent.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push). The client closes in any case.
    pub async fn push_and_close(&self) -> Result<(), PushFailure> {
        let result = self.ask_for_push(true).await;
        self.shared.until(Status::is_final).await;
        result
    }

    async fn ask_for_push(&self, is_last: bool) -> Result<(), PushFailure> {
        let (done, result) = async_channel::bounded(1);
        let command = Command::Push { is_last, done };
        self.commands.send(command).await.map_err(|_| PushFailure::Closed)?;
        result.recv().await.unwrap_or(Err(PushFailure::Closed))
    }

    /// Closes without a push, and returns when the connection is closed.
    pub async fn close(&self) {
        // Fails only if the client is closed already.
        let _ = self.commands.send(Command::Close).await;
        self.shared.until(Status::is_final).await;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("status", &self.status()).finish_non_exhaustive()
    }
}
