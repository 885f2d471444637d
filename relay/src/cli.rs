//! The options, and what is made of them.

mod env;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use env::{misspelt, without_empty_variables};
pub(crate) use token::TOKEN_VARIABLE;

use crate::fetch::{Credentials, Endpoint, ScrapeFormat, ScrapeUrl};
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum, error::ErrorKind};
use prometheus_rsocket_client::{
    AesKeySize, BackoffConfig, ClientTls, ClientTlsFiles, Config, Fingerprint, LabelError, Labels,
    PinFile, PinFileError, Pins, ProxyUrl, PushMode, TlsError,
};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Relays the /metrics endpoint of a program to a prometheus-rsocket-proxy, for Prometheus to scrape there.
///
/// On SIGTERM or SIGINT the program is scraped once more, and that is pushed before the connection is closed. The exit status is then
/// 0 if the proxy (with --proxy-mode all: every proxy) has stored it, 1 if not. It is 2 for a bad option.
///
/// That takes less than 8 seconds with the default options. If the program is gone by then, the last metrics that it had are pushed. A second
/// signal ends the relay at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "prometheus-rsocket-client", version)]
pub(crate) struct Args {
    /// The proxy: tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT/PATH or wss://HOST:PORT/PATH. May be repeated, in the order of
    /// preference, or be several with commas between
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY",
        value_name = "URL",
        value_delimiter = ',',
        required = true
    )]
    pub(crate) proxy: Vec<ProxyUrl>,
    /// The endpoint to relay: http://HOST:PORT/PATH, or the same with https. Without a path it is /metrics
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE", value_name = "URL")]
    pub(crate) scrape: ScrapeUrl,
    /// A label that tells this program from others, as name=value; may be repeated, or be several with commas between. Without a label
    /// `instance` there is one of the endpoint's host and port or, where that is this machine, the machine's name
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_LABEL",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        value_parser = label
    )]
    pub(crate) label: Vec<(String, String)>,
    /// What several proxies are for
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY_MODE",
        default_value = "failover",
        help_heading = PROXIES
    )]
    pub(crate) proxy_mode: ProxyMode,
    /// How long to stay with a later proxy before going back to an earlier one that can be reached again, give or take a tenth
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY_RETURN_AFTER",
        value_name = "TIME",
        default_value = "5m",
        value_parser = duration,
        help_heading = PROXIES
    )]
    pub(crate) proxy_return_after: Duration,
    /// The runtime to run on
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_RUNTIME", default_value_t)]
    pub(crate) runtime: RuntimeKind,
    /// File with a token that says to the proxy who this program is; read at the start. Without it, the token is taken from the variable
    /// PROMETHEUS_RSOCKET_CLIENT_TOKEN
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Shows the token also to a proxy that is reached neither by TLS nor on this machine; whoever listens then has it
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_TOKEN_IN_CLEAR")]
    pub(crate) token_in_clear: bool,
    /// The version of the metrics envelope that a proxy must offer: 2 keeps the metrics from proxies that know 1 alone, and from whoever claims to
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_MIN_ENVELOPE",
        value_name = "VERSION",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=2)
    )]
    pub(crate) min_envelope: u8,
    /// The SHA-256 of a key that a proxy may have, as the proxy logs it: 64 hexadecimal digits. May be repeated, or be several with commas between,
    /// such as the next key before it is used. A proxy with another key does not get the metrics
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY_KEY_SHA256",
        value_name = "HEX",
        value_delimiter = ',',
        conflicts_with = "proxy_key_file",
        help_heading = PROXIES
    )]
    pub(crate) proxy_key_sha256: Vec<Fingerprint>,
    /// A file that keeps the key that each proxy had when it was first met; a proxy that has another one later does not get the metrics. Whoever
    /// answers first is trusted, so --proxy-key-sha256 is safer
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY_KEY_FILE",
        value_name = "FILE",
        help_heading = PROXIES
    )]
    pub(crate) proxy_key_file: Option<PathBuf>,
    /// What to log: off, error, warn, info, debug or trace, or filters as `tracing` writes them
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_LOG", default_value = "info", value_parser = log_filter)]
    pub(crate) log: String,
    /// The shortest pause before connecting again (500ms, 10s, 5m); the first is up to five times as long
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_BACKOFF_MIN", default_value = "1s", value_parser = duration)]
    pub(crate) backoff_min: Duration,
    /// The longest pause before connecting again; the original's are 10s to 10m
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_BACKOFF_MAX", default_value = "1m", value_parser = duration)]
    pub(crate) backoff_max: Duration,
    /// How long opening a connection to the proxy may take
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_CONNECT_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    /// How long the endpoint may take to answer
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub(crate) scrape_timeout: Duration,
    /// How long the last push may take, with the last scrape, which gets half of it
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_PUSH_TIMEOUT", default_value = "4s", value_parser = duration)]
    pub(crate) push_timeout: Duration,
    /// Whether the last push waits for the proxy's word that it is stored
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_PUSH", default_value = "acknowledged")]
    pub(crate) push: Push,
    /// The longest text that the endpoint may answer with, in bytes (1000, 64KiB, 8MiB)
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_MAX_TEXT_BYTES", default_value = "16MiB", value_parser = bytes)]
    pub(crate) max_text_bytes: usize,
    /// What the endpoint answers in, if its content type does not say
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_FORMAT",
        value_name = "FORMAT",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_format: Option<ScrapeFormat>,
    /// PEM file with the CAs that the certificate of an https endpoint must come from; those of the system where none is named
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_CA",
        value_name = "FILE",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_ca: Option<PathBuf>,
    /// The user to show to the endpoint
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_USER",
        value_name = "NAME",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_user: Option<String>,
    /// File with the password of that user; read for each scrape
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_PASSWORD_FILE",
        value_name = "FILE",
        requires = "scrape_user",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_password_file: Option<PathBuf>,
    /// File with a bearer token to show to the endpoint; read for each scrape
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_BEARER_FILE",
        value_name = "FILE",
        conflicts_with = "scrape_user",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_bearer_file: Option<PathBuf>,
    /// PEM file with the CAs that the proxy's certificate must come from; those of the system where none is named
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_TLS_CA", value_name = "FILE", help_heading = TLS)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// PEM file with a certificate to show to the proxy, and those that lead to its CA
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key",
        help_heading = TLS
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with its private key, without a password
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert",
        help_heading = TLS
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// The name or address that the proxy's certificate must be for; the host of --proxy where none is given
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_TLS_SERVER_NAME",
        value_name = "NAME",
        help_heading = TLS
    )]
    pub(crate) tls_server_name: Option<String>,
    /// Bits of the keys that metrics are encrypted with
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_AES_BITS", default_value = "128")]
    pub(crate) aes_bits: AesBits,
}

const SCRAPE: &str = "The endpoint";
const PROXIES: &str = "Several proxies";
const TLS: &str = "TLS, for tls:// and wss://";

impl Args {
    /// What the command line and the environment of this process say.
    pub(crate) fn from_environment() -> Result<Self, clap::Error> {
        let matches = without_empty_variables(Self::command()).try_get_matches()?;
        let args = Self::from_arg_matches(&matches);
        let args = args.map_err(|error| error.format(&mut Self::command()))?;
        args.check()?;
        Ok(args)
    }

    /// What no single option shows to be wrong.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        if let Err(error) = self.labels() {
            let message = format!("--label: {error}");
            return Err(Self::command().error(ErrorKind::ValueValidation, message));
        }
        let mut proxies = self.proxy.iter().enumerate();
        if let Some((_, proxy)) =
            proxies.find(|(n, proxy)| self.proxy.iter().take(*n).any(|other| other == *proxy))
        {
            let message = format!("--proxy {proxy} is given twice");
            return Err(Self::command().error(ErrorKind::ValueValidation, message));
        }
        if self.proxy_key_sha256.len() > MAX_PINS {
            let message = format!("--proxy-key-sha256 is given more than {MAX_PINS} times");
            return Err(Self::command().error(ErrorKind::TooManyValues, message));
        }
        let Some(option) = self.tls_without_use() else {
            return Ok(());
        };
        let proxy = listed(&self.proxy);
        let message = format!("{option} is for tls:// and wss:// alone, not for --proxy {proxy}");
        Err(Self::command().error(ErrorKind::ArgumentConflict, message))
    }

    /// Reads the files of TLS, if it is used.
    pub(crate) fn load_tls(&self) -> Result<Option<ClientTls>, TlsError> {
        self.uses_tls().then(|| ClientTls::load(self.tls_files())).transpose()
    }

    /// Reads the file of proxies' keys, if there is one.
    pub(crate) fn load_pins(&self) -> Result<Option<PinFile>, PinFileError> {
        self.proxy_key_file.as_ref().map(PinFile::open).transpose()
    }

    /// What to fetch. Reads the file of CAs, if there is one.
    pub(crate) fn load_endpoint(&self) -> Result<Endpoint, TlsError> {
        let mut files = ClientTlsFiles::default();
        files.ca = self.scrape_ca.clone();
        // Without a file, the system's roots are looked for when they are needed: a redirect may lead to https.
        let tls = files.ca.is_some().then(|| ClientTls::load(files)).transpose()?;
        let credentials = match (&self.scrape_user, &self.scrape_bearer_file) {
            (Some(user), _) => {
                let password = self.scrape_password_file.clone();
                Credentials::Basic { user: user.clone(), password }
            }
            (None, Some(token)) => Credentials::Bearer { token: token.clone() },
            (None, None) => Credentials::None,
        };
        Ok(Endpoint {
            url: self.scrape.clone(),
            tls,
            credentials,
            fallback: self.scrape_format,
            max_text_bytes: self.max_text_bytes,
            timeout: self.scrape_timeout,
        })
    }

    /// The labels given, and an `instance` if none is given.
    fn labels(&self) -> Result<Labels, LabelError> {
        let mut labels = self.label.clone();
        if !labels.iter().any(|(name, _)| name == "instance") {
            let instance = self.scrape.instance().or_else(prometheus_rsocket_client::hostname);
            labels.extend(instance.map(|instance| ("instance".to_owned(), instance)));
        }
        Labels::new(labels)
    }

    fn tls_files(&self) -> ClientTlsFiles {
        let mut files = ClientTlsFiles::default();
        files.ca = self.tls_ca.clone();
        files.identity = self.tls_cert.clone().zip(self.tls_key.clone());
        files.server_name = self.tls_server_name.clone();
        files
    }

    fn uses_tls(&self) -> bool {
        self.proxy.iter().any(|proxy| proxy.scheme().is_tls())
    }

    /// An option of TLS that is given though every proxy is reached without.
    fn tls_without_use(&self) -> Option<&'static str> {
        if self.uses_tls() {
            return None;
        }
        let given = [
            ("--tls-ca", self.tls_ca.is_some()),
            ("--tls-cert", self.tls_cert.is_some()),
            ("--tls-key", self.tls_key.is_some()),
            ("--tls-server-name", self.tls_server_name.is_some()),
        ];
        given.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// One for each client: for each proxy, or for all of them.
    pub(crate) fn configs(&self) -> Vec<Config> {
        let mut configs: Vec<Config> = Vec::new();
        for proxy in &self.proxy {
            match (self.proxy_mode, configs.last_mut()) {
                (ProxyMode::Failover, Some(config)) => config.proxies.push(proxy.clone()),
                (ProxyMode::Failover | ProxyMode::All, _) => {
                    configs.push(self.config(proxy.clone()))
                }
            }
        }
        configs
    }

    fn config(&self, proxy: ProxyUrl) -> Config {
        let mut config = Config::new(proxy);
        config.connect_timeout = self.connect_timeout;
        // Fetching has the limit itself, and says then what took so long.
        config.metrics_timeout = self.scrape_timeout.saturating_add(Duration::from_secs(1));
        if let Ok(labels) = self.labels() {
            config.labels = labels;
        }
        config.program =
            concat!("prometheus-rsocket-client/", env!("CARGO_PKG_VERSION")).to_owned();
        config.agent.connection.close_timeout = CLOSE_TIMEOUT;
        config.agent.backoff = BackoffConfig::new(self.backoff_min, self.backoff_max);
        config.agent.min_envelope = self.min_envelope;
        config.token_in_clear = self.token_in_clear;
        if !self.proxy_key_sha256.is_empty() {
            config.agent.pins = Pins::These(self.proxy_key_sha256.clone());
        }
        config.agent.push_timeout = self.push_timeout;
        config.agent.return_after = self.proxy_return_after;
        config.agent.push = match self.push {
            Push::Acknowledged => PushMode::Acknowledged,
            Push::FireAndForget => PushMode::FireAndForget,
        };
        config.agent.aes = match self.aes_bits {
            AesBits::Aes128 => AesKeySize::Aes128,
            AesBits::Aes192 => AesKeySize::Aes192,
            AesBits::Aes256 => AesKeySize::Aes256,
        };
        config
    }
}

/// Keys that can be named.
const MAX_PINS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeKind {
    Smol,
    Tokio,
}

/// tokio, unless smol alone is built in.
impl Default for RuntimeKind {
    fn default() -> Self {
        if cfg!(feature = "smol") && !cfg!(feature = "tokio") { Self::Smol } else { Self::Tokio }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smol => "smol",
            Self::Tokio => "tokio",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyMode {
    /// One connection: to the first that can be reached. When it goes away, the next takes over at once
    Failover,
    /// A connection to each. Each proxy scrapes the endpoint and has its metrics, so Prometheus has every series once for each proxy that
    /// it scrapes. The last metrics are pushed to all
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Push {
    Acknowledged,
    FireAndForget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AesBits {
    #[value(name = "128")]
    Aes128,
    #[value(name = "192")]
    Aes192,
    #[value(name = "256")]
    Aes256,
}

/// URLs with commas between.
fn listed(proxies: &[ProxyUrl]) -> String {
    let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
    proxies.join(",")
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a number with ms, s, m or h, such as 10s".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "a whole number is missing".to_owned())?;
    match Duration::from_millis(u64::from(number) * factor_ms) {
        Duration::ZERO => Err("it must be more than nothing".to_owned()),
        duration => Ok(duration),
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("a number, alone or with KiB, MiB or GiB, such as 8MiB".to_owned()),
    };
    let number: usize = number.parse().map_err(|_| "a whole number is missing".to_owned())?;
    match number.checked_mul(factor) {
        None => Err("it is too much".to_owned()),
        Some(0) => Err("it must be more than nothing".to_owned()),
        Some(bytes) => Ok(bytes),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it should be name=value")?;
    Labels::new([(name, value)]).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

fn log_filter(text: &str) -> Result<String, String> {
    // To the filter, a word alone is the name of a module: it would log nothing but that.
    for word in text.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        if !word.is_empty() && word.parse::<LevelFilter>().is_err() {
            let levels = "off, error, warn, info, debug and trace";
            return Err(format!("{word:?} is no level; there are {levels}"));
        }
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// How long saying goodbye to the proxy may take; with the last push it stays below the 10 s that containers get.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
