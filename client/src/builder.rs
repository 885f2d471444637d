//! The way to a client that most programs take.

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

/// Describes a client; made by [`Client::builder`]. Each setting has a default. What is wrong with a value is said when the client is started.
///
/// # For who comes from the Java client
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

/// Never the token.
impl std::fmt::Debug for TokenFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Text(_) => f.write_str(".."),
        }
    }
}

/// Longer than any token.
const MAX_TOKEN_FILE: u64 = 16 * 1024;

/// Why a client cannot be started. Nothing runs then.
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
    /// A label that cannot be one, or two of the same name.
    #[error("label: {0}")]
    Label(#[from] LabelError),
    /// The file of proxies' keys cannot be used.
    #[error(transparent)]
    PinFile(#[from] PinFileError),
    /// The token cannot be one.
    #[error("token: {0}")]
    Token(#[from] TokenError),
    /// The file with the token cannot be read.
    #[error("token file {}: {error}", file.display())]
    TokenFile {
        /// Which.
        file: PathBuf,
        /// Why.
        error: FileError,
    },
    /// The files of TLS cannot be used.
    #[cfg(feature = "_tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The URL of a proxy asks for what this build lacks.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// There is no tokio runtime where [`spawn`](ClientBuilder::spawn) was called, and no feature `smol`.
    #[error(
        "no runtime: call `spawn` within a tokio runtime (`#[tokio::main]`), enable the feature `smol`, \
         or `blocking` for a thread of its own"
    )]
    NoRuntime,
    /// The system gives no thread.
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

/// Whom to connect to, and when.
impl ClientBuilder {
    /// Adds a proxy that stands in for those before it: see [several proxies](crate#several-proxies).
    pub fn proxy(mut self, proxy: ProxyUrl) -> Self {
        self.config.proxies.push(proxy);
        self
    }

    /// The shortest pause before connecting again; 1 s by default, where the Java client has 10 s. The first pause is one to five times as long,
    /// so that not all applications come back at once, and pauses double after that.
    pub fn first_backoff(mut self, pause: Duration) -> Self {
        self.config.agent.backoff.min = pause;
        self
    }

    /// The longest pause before connecting again; 1 minute by default, where the Java client has 10 minutes.
    pub fn max_backoff(mut self, pause: Duration) -> Self {
        self.config.agent.backoff.max = pause;
        self
    }

    /// How many attempts to connect may follow one that failed; without limit by default. After that the client is closed, with
    /// [`Status::GaveUp`](crate::Status::GaveUp). A connection that received a key begins the count anew.
    pub fn max_retries(mut self, retries: u64) -> Self {
        self.config.agent.max_retries = Some(retries);
        self
    }

    /// How connections leave the network: directly by default, through an HTTP proxy, or as the variables `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    ///
    /// [`Route`] has an example.
    pub fn route(mut self, route: Route) -> Self {
        self.config.route = route;
        self
    }

    /// How long opening a connection may take, with tunnel, TLS and WebSocket; 10 s by default.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.config.connect_timeout = time;
        self
    }

    /// How long the client stays with a later proxy before it looks whether an earlier one can be reached again; 5 minutes by default.
    pub fn return_after(mut self, time: Duration) -> Self {
        self.config.agent.return_after = time;
        self
    }
}

/// Who this application is, and whom it trusts.
impl ClientBuilder {
    /// A label that tells this application from others; replaces one of the same name. By default there is `instance` with the name of the
    /// machine.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.labels.retain(|(other, _)| *other != name);
        self.labels.push((name, value.into()));
        self
    }

    /// The program and its version, for people, such as `orders/1.4.2`; by default it is this crate.
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.config.program = program.into();
        self
    }

    /// The token that says to the proxy who this application is. Connecting to a proxy that is reached neither by TLS nor on this machine fails
    /// unless [`token_in_clear`](Self::token_in_clear) allows it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(TokenFrom::Text(Zeroizing::new(token.into())));
        self
    }

    /// A file with the token, of up to 16 KiB; read when the client is started.
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(TokenFrom::File(file.into()));
        self
    }

    /// Shows the token also over connections that anybody on the way can read.
    pub fn token_in_clear(mut self) -> Self {
        self.config.token_in_clear = true;
        self
    }

    /// The keys that a proxy may have, as it logs their SHA-256; another one does not get the metrics. Any key is taken by default.
    pub fn pins(mut self, keys: impl IntoIterator<Item = Fingerprint>) -> Self {
        self.config.agent.pins = Pins::These(keys.into_iter().collect());
        self
    }

    /// A file that keeps the key of each proxy from when it was first met, in place of [`pins`](Self::pins): see [`PinFile`].
    pub fn pin_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.pin_file = Some(file.into());
        self
    }

    /// The version of the metrics envelope that a proxy must offer, 1 (default) or 2. With 2, the original Java proxy does not get the metrics.
    pub fn min_envelope(mut self, version: u8) -> Self {
        self.config.agent.min_envelope = version;
        self
    }
}

/// TLS, for URLs of `tls` and `wss`. The files are read when the client is started, and again for each connection.
#[cfg(feature = "_tls")]
impl ClientBuilder {
    /// The CAs that a proxy's certificate must come from, in PEM; those of the system by default.
    pub fn tls_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.ca = Some(file.into());
        self
    }

    /// The certificate to show, with those that lead to its CA, and its private key, both in PEM; by default none is shown.
    pub fn tls_identity(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.identity = Some((cert.into(), key.into()));
        self
    }

    /// The name or address that a proxy's certificate must be for; by default the host of its URL.
    pub fn tls_server_name(mut self, name: impl Into<String>) -> Self {
        self.tls.server_name = Some(name.into());
        self
    }
}

/// Metrics.
impl ClientBuilder {
    /// How long the source may take; 10 s by default.
    pub fn metrics_timeout(mut self, time: Duration) -> Self {
        self.config.metrics_timeout = time;
        self
    }

    /// How long a push may take; 10 s by default. If there is no connection at that moment, one is sought for as long.
    pub fn push_timeout(mut self, time: Duration) -> Self {
        self.config.agent.push_timeout = time;
        self
    }

    /// Whether a push waits for the proxy's word that it is stored, as it does by default.
    pub fn push_mode(mut self, mode: PushMode) -> Self {
        self.config.agent.push = mode;
        self
    }

    /// Adds the client's [own metrics](Client::own_metrics) to those of the source.
    pub fn own_metrics(mut self) -> Self {
        self.config.own_metrics = true;
        self
    }

    /// Is called when a connection has received its key, so that the proxy can scrape the client: with the SHA-256 of the key, or with `None` if the proxy
    /// wants no encryption. The call is made on the event loop and must not block.
    pub fn on_key(mut self, called: impl Fn(Option<Fingerprint>) + Send + Sync + 'static) -> Self {
        self.config.on_key = Some(OnKey::new(called));
        self
    }
}

/// The start.
impl ClientBuilder {
    /// The settings, for [`Client::new`]: the way onto any runtime. Reads the files that are named, by blocking calls.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with a setting or a file.
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

    /// Starts the client: on the tokio runtime that this is called on (feature `tokio`), or else on smol's global executor (feature `smol`). It does not
    /// wait for a connection; [`Client::wait_ready`] does. Reads the files that are named, by blocking calls.
    ///
    /// On another runtime, pass [`into_config`](Self::into_config) to [`Client::new`].
    ///
    /// # Errors
    ///
    /// Whatever is wrong with a setting or a file, or [`BuildError::NoRuntime`]. That the proxy cannot be reached is none: the client goes on
    /// trying.
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

/// Holds for no type: what `spawn` asks for in a build that has no runtime, so that the compiler says what is missing.
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
