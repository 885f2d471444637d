//! The builder of a client.

use crate::client::Client;
use crate::config::{Config, OnKey};
use crate::pins::{PinFile, PinFileError};
use crate::source::Source;
use crate::tunnel::Route;
use crate::url::{ProxyUrl, UrlError};
use prometheus_rsocket_protocol::agent::{Pins, PushMode};
use prometheus_rsocket_protocol::envelope::Fingerprint;
use prometheus_rsocket_protocol::labels::{LabelError, Labels};
use prometheus_rsocket_protocol::token::{Token, TokenError};
#[cfg(feature = "_tls")]
use prometheus_rsocket_runtime::tls::{ClientTls, ClientTlsFiles, TlsError};
use prometheus_rsocket_runtime::{FileError, read_file};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// Configures a client; [`Client::builder`] returns it. Each setting has a default. Bad values are reported when the client is started.
///
/// # Names of the Java client
///
/// | `PrometheusRSocketClient` | Spring (`micrometer.prometheus.rsocket.`, before `management.metrics.export.prometheus.rsocket.`) | here |
/// |---|---|---|
/// | `build(registry, transport)` | `host`, `port`, `transport`, `secure` | [`Client::builder`] with a URL of `tcp`, `tls`, `ws` or `wss` |
/// | `build(registry, scrape, transport)` | | the [`Source`] that [`spawn`](Self::spawn) takes |
/// | `retry(Retry.backoff(n, first).maxBackoff(max))` | `max-retries`, `first-backoff`, `max-backoff` | [`max_retries`](Self::max_retries), [`first_backoff`](Self::first_backoff), [`max_backoff`](Self::max_backoff) |
/// | `doOnKeyReceived(runnable)` | | [`on_key`](Self::on_key) |
/// | `connect()` | what Spring does | [`spawn`](Self::spawn), which does not wait |
/// | `connectBlockingly(timeout)` | | `connect_blocking` (feature `blocking`), or [`spawn`](Self::spawn) and [`Client::wait_ready`] |
/// | `pushAndCloseBlockingly(timeout)` | | [`Client::push_and_close`] with [`push_timeout`](Self::push_timeout), or `push_and_close_blocking` |
/// | `pushAndClose()` | what Spring does at the end | the same with [`PushMode::FireAndForget`] |
/// | `close()` | | [`Client::close`] |
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), prometheus_rsocket_client::UrlError> {
/// use prometheus_rsocket_client::Client;
/// use std::time::Duration;
///
/// let builder = Client::builder("tls://proxy-1.example.org")?
///     .proxy("tls://proxy-2.example.org".parse()?)
///     .label("application", "orders")
///     .token_file("/run/secrets/metrics-token")
///     .max_backoff(Duration::from_secs(30));
/// # let _ = builder;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is spawned"]
pub struct ClientBuilder {
    config: Config,
    labels: Vec<(String, String)>,
    token: Option<TokenFrom>,
    pin_file: Option<PathBuf>,
    #[cfg(feature = "_tls")]
    tls: ClientTlsFiles,
}

#[derive(Clone)]
enum TokenFrom {
    File(PathBuf),
    Text(Zeroizing<String>),
}

/// Never shows the token.
impl std::fmt::Debug for TokenFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Text(_) => f.write_str(".."),
        }
    }
}

/// The longest token file, in bytes; longer than any token.
const MAX_TOKEN_FILE: u64 = 16 * 1024;

/// The error of starting a client. Nothing runs then.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), prometheus_rsocket_client::UrlError> {
/// use prometheus_rsocket_client::{BuildError, Client};
///
/// let builder = Client::builder("tcp://localhost:7001")?.label("not a name", "orders");
/// assert!(matches!(builder.into_config(), Err(BuildError::Label(_))));
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An invalid label, or two labels of the same name.
    #[error("label: {0}")]
    Label(#[from] LabelError),
    /// The file of [`pin_file`](ClientBuilder::pin_file) cannot be used.
    #[error(transparent)]
    PinFile(#[from] PinFileError),
    /// The token is invalid.
    #[error("token: {0}")]
    Token(#[from] TokenError),
    /// The file with the token cannot be read.
    #[error("token file {}: {error}", file.display())]
    TokenFile {
        /// The path of the file.
        file: PathBuf,
        /// Why it cannot be read.
        error: FileError,
    },
    /// The TLS files cannot be used.
    #[cfg(feature = "_tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The URL of a proxy needs a feature that is not built in.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// [`spawn`](ClientBuilder::spawn) was called outside of a tokio runtime, and the feature `smol` is not built in.
    #[error(
        "no runtime: call `spawn` within a tokio runtime (`#[tokio::main]`), enable the feature `smol`, \
         or `blocking` for a thread of its own"
    )]
    NoRuntime,
    /// The system cannot start a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl From<Config> for ClientBuilder {
    fn from(config: Config) -> Self {
        let labels = config.labels.iter();
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self {
            config,
            labels,
            token: None,
            pin_file: None,
            #[cfg(feature = "_tls")]
            tls: ClientTlsFiles::default(),
        }
    }
}

/// Proxies and connecting.
impl ClientBuilder {
    /// Adds a proxy that takes over if those before it cannot be reached: see [several proxies](crate#several-proxies).
    pub fn proxy(mut self, proxy: ProxyUrl) -> Self {
        self.config.proxies.push(proxy);
        self
    }

    /// Sets the shortest pause before reconnecting: 1 s by default, where the Java client has 10 s. The first pause is one to five times as long, so
    /// that not all applications reconnect at once, and pauses double after that.
    pub fn first_backoff(mut self, pause: Duration) -> Self {
        self.config.agent.backoff.min = pause;
        self
    }

    /// Sets the longest pause before reconnecting: 1 minute by default, where the Java client has 10 minutes.
    pub fn max_backoff(mut self, pause: Duration) -> Self {
        self.config.agent.backoff.max = pause;
        self
    }

    /// Sets how many attempts to connect may follow a failed one; unlimited by default. After that the client is closed, with
    /// [`Status::GaveUp`](crate::Status::GaveUp). A connection that receives a key resets the count.
    pub fn max_retries(mut self, retries: u64) -> Self {
        self.config.agent.max_retries = Some(retries);
        self
    }

    /// Sets how connections leave the network: directly by default, through an HTTP proxy, or as the variables `HTTPS_PROXY`, `ALL_PROXY` and
    /// `NO_PROXY` say.
    ///
    /// [`Route`] has an example.
    pub fn route(mut self, route: Route) -> Self {
        self.config.route = route;
        self
    }

    /// Sets the time limit for opening a connection, with tunnel, TLS and WebSocket; 10 s by default.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.config.connect_timeout = time;
        self
    }

    /// Sets how long the client stays with a later proxy before it checks whether an earlier one can be reached again; 5 minutes by default.
    pub fn return_after(mut self, time: Duration) -> Self {
        self.config.agent.return_after = time;
        self
    }
}

/// Identity and trust.
impl ClientBuilder {
    /// Adds a label that identifies this application, in place of one with the same name. By default there is `instance` with the name of the
    /// machine.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.labels.retain(|(other, _)| *other != name);
        self.labels.push((name, value.into()));
        self
    }

    /// Sets the name and version of the program, for display, such as `orders/1.4.2`; by default those of this crate.
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.config.program = program.into();
        self
    }

    /// Sets the token that identifies this application to the proxy. Connecting to a proxy that is reached neither by TLS nor on this machine fails
    /// unless [`token_in_clear`](Self::token_in_clear) allows it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(TokenFrom::Text(Zeroizing::new(token.into())));
        self
    }

    /// Reads the token from a file of at most 16 KiB, when the client is started.
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(TokenFrom::File(file.into()));
        self
    }

    /// Also sends the token over connections that anybody on the way can read.
    pub fn token_in_clear(mut self) -> Self {
        self.config.token_in_clear = true;
        self
    }

    /// Sets the keys that a proxy may have, by the SHA-256 that it logs; a proxy with another key does not get the metrics. By default any key is
    /// accepted.
    pub fn pins(mut self, keys: impl IntoIterator<Item = Fingerprint>) -> Self {
        self.config.agent.pins = Pins::These(keys.into_iter().collect());
        self
    }

    /// Stores the first key of each proxy in a file, in place of [`pins`](Self::pins): see [`PinFile`].
    pub fn pin_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.pin_file = Some(file.into());
        self
    }

    /// Sets the version of the metrics envelope that a proxy must offer, 1 (default) or 2. With 2, the original Java proxy does not get the metrics.
    pub fn min_envelope(mut self, version: u8) -> Self {
        self.config.agent.min_envelope = version;
        self
    }
}

/// TLS, for URLs of `tls` and `wss`. The files are read when the client is started, and again for each connection.
#[cfg(feature = "_tls")]
impl ClientBuilder {
    /// Sets the CAs of the proxies' certificates, in PEM; by default those of the system.
    pub fn tls_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.ca = Some(file.into());
        self
    }

    /// Sets the certificate to present, with its chain, and its private key, both in PEM; by default there is none.
    pub fn tls_identity(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.identity = Some((cert.into(), key.into()));
        self
    }

    /// Sets the name or address that a proxy's certificate must have; by default the host of its URL.
    pub fn tls_server_name(mut self, name: impl Into<String>) -> Self {
        self.tls.server_name = Some(name.into());
        self
    }
}

/// Metrics.
impl ClientBuilder {
    /// Sets the time limit for the source; 10 s by default.
    pub fn metrics_timeout(mut self, time: Duration) -> Self {
        self.config.metrics_timeout = time;
        self
    }

    /// Sets the time limit for a push; 10 s by default. If there is no connection at that moment, the client tries to open one within this time.
    pub fn push_timeout(mut self, time: Duration) -> Self {
        self.config.agent.push_timeout = time;
        self
    }

    /// Sets whether a push waits for the proxy's acknowledgement, as it does by default.
    pub fn push_mode(mut self, mode: PushMode) -> Self {
        self.config.agent.push = mode;
        self
    }

    /// Adds the client's [own metrics](Client::own_metrics) to those of the source.
    pub fn own_metrics(mut self) -> Self {
        self.config.own_metrics = true;
        self
    }

    /// Sets a function that is called when a connection has received its key, so that the proxy can scrape the client. Its argument is the SHA-256 of
    /// the key, or `None` if the proxy wants no encryption. It runs on the event loop and must not block.
    pub fn on_key(mut self, called: impl Fn(Option<Fingerprint>) + Send + Sync + 'static) -> Self {
        self.config.on_key = Some(OnKey::new(called));
        self
    }
}

/// Starting.
impl ClientBuilder {
    /// Returns the settings for [`Client::new`], which works on any runtime. Reads the named files, by blocking calls.
    ///
    /// # Errors
    ///
    /// A setting or a file is invalid.
    pub fn into_config(self) -> Result<Config, BuildError> {
        let mut config = self.config;
        config.proxies.iter().try_for_each(ProxyUrl::check_is_built_in)?;
        config.labels = Labels::new(self.labels)?;
        match self.token {
            None => {}
            Some(TokenFrom::Text(token)) => config.token = Some(Token::new(&token)?),
            Some(TokenFrom::File(file)) => {
                let bytes = read_file(&file, MAX_TOKEN_FILE)
                    .map_err(|error| BuildError::TokenFile { file, error })?;
                let bytes = Zeroizing::new(bytes);
                let text = std::str::from_utf8(&bytes).unwrap_or_default();
                config.token = Some(Token::new(text.trim_end())?);
            }
        }
        if let Some(file) = self.pin_file {
            config.pin_file = Some(PinFile::open(file)?);
        }
        #[cfg(feature = "_tls")]
        if config.tls.is_none() && config.proxies.iter().any(|proxy| proxy.scheme().is_tls()) {
            config.tls = Some(ClientTls::load(self.tls)?);
        }
        Ok(config)
    }

    /// Starts the client on the tokio runtime that this is called on (feature `tokio`), or else on smol's global executor (feature `smol`). It does
    /// not wait for a connection; [`Client::wait_ready`] does. Reads the named files, by blocking calls.
    ///
    /// On another runtime, pass [`into_config`](Self::into_config) to [`Client::new`].
    ///
    /// # Errors
    ///
    /// A setting or a file is invalid, or [`BuildError::NoRuntime`]. A proxy that cannot be reached is not an error: the client keeps trying.
    #[cfg(any(feature = "smol", feature = "tokio"))]
    pub fn spawn(self, source: impl Source) -> Result<Client, BuildError> {
        #[cfg(feature = "tokio")]
        if let Some(runtime) = prometheus_rsocket_tokio::Tokio::try_current() {
            return Ok(spawn_on(runtime, self.into_config()?, source));
        }
        #[cfg(feature = "smol")]
        return Ok(spawn_on(prometheus_rsocket_smol::Smol::global(), self.into_config()?, source));
        #[cfg(not(feature = "smol"))]
        Err(BuildError::NoRuntime)
    }

    /// Needs the feature `tokio` or `smol`.
    #[cfg(not(any(feature = "smol", feature = "tokio")))]
    pub fn spawn<S: Source + HasRuntime>(self, source: S) -> Result<Client, BuildError> {
        let _ = source;
        Err(BuildError::NoRuntime)
    }
}

/// A bound that no type meets. `spawn` requires it in a build without a runtime, so that the compiler says what is missing.
#[cfg(not(any(feature = "smol", feature = "tokio")))]
#[diagnostic::on_unimplemented(
    message = "`spawn` needs a runtime: enable the feature `tokio` or `smol` of prometheus-rsocket-client",
    label = "no runtime is built in",
    note = "on a runtime of your own, pass `into_config()` to `Client::new`"
)]
pub trait HasRuntime {}

#[cfg(any(feature = "smol", feature = "tokio"))]
fn spawn_on<R: prometheus_rsocket_runtime::Runtime>(
    runtime: R,
    config: Config,
    source: impl Source,
) -> Client {
    let (client, running) = Client::new(runtime.clone(), config, source);
    runtime.spawn(running);
    client
}
