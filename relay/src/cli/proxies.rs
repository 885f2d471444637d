//! The proxies to connect to, and how.

use super::Fault;
use super::values::duration;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use prometheus_rsocket_client::{
    AesKeySize, BackoffConfig, ClientTls, ClientTlsFiles, Config, Fingerprint, PinFile,
    PinFileError, Pins, ProxyUrl, PushMode, TlsError,
};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Clone, Debug)]
pub(crate) struct ProxyArgs {
    /// The proxy: tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT/PATH or wss://HOST:PORT/PATH. Repeat it, or separate several by commas, in the
    /// order of preference
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY",
        value_name = "URL",
        value_delimiter = ',',
        required = true
    )]
    pub(crate) proxy: Vec<ProxyUrl>,
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
    /// File with the token that identifies this program to the proxy; read at the start. Without it, the token is taken from the variable
    /// PROMETHEUS_RSOCKET_CLIENT_TOKEN
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Also sends the token to a proxy that is reached neither by TLS nor on this machine; an eavesdropper then has it
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_TOKEN_IN_CLEAR")]
    pub(crate) token_in_clear: bool,
    /// The version of the metrics envelope that a proxy must offer. With 2, proxies that only know version 1, or claim to, do not get the metrics
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_MIN_ENVELOPE",
        value_name = "VERSION",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=2)
    )]
    pub(crate) min_envelope: u8,
    /// The SHA-256 of a key that a proxy may have, as the proxy logs it: 64 hexadecimal digits. Repeat it, or separate several by commas, for example
    /// to add the next key before it is used. A proxy with another key does not get the metrics
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY_KEY_SHA256",
        value_name = "HEX",
        value_delimiter = ',',
        conflicts_with = "proxy_key_file",
        help_heading = PROXIES
    )]
    pub(crate) proxy_key_sha256: Vec<Fingerprint>,
    /// File that stores the key that each proxy had on the first connection; a proxy that has another key later does not get the metrics. The first
    /// connection trusts whoever answers, so --proxy-key-sha256 is safer
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_PROXY_KEY_FILE",
        value_name = "FILE",
        help_heading = PROXIES
    )]
    pub(crate) proxy_key_file: Option<PathBuf>,
    /// The shortest pause before reconnecting (500ms, 10s, 5m); the first one is up to five times as long
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_BACKOFF_MIN", default_value = "1s", value_parser = duration)]
    pub(crate) backoff_min: Duration,
    /// The longest pause before reconnecting; the Java client's pauses are 10s to 10m
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_BACKOFF_MAX", default_value = "1m", value_parser = duration)]
    pub(crate) backoff_max: Duration,
    /// Time limit for opening a connection to the proxy
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_CONNECT_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    /// Time limit for the last scrape and push together; the scrape gets half of it
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_PUSH_TIMEOUT", default_value = "4s", value_parser = duration)]
    pub(crate) push_timeout: Duration,
    /// Whether the last push waits for the proxy's acknowledgement that it is stored
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_PUSH", default_value = "acknowledged")]
    pub(crate) push: Push,
    /// PEM file with the CAs of the proxy's certificate; by default those of the system
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_TLS_CA", value_name = "FILE", help_heading = TLS)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// PEM file with a certificate to present to the proxy, and its chain
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key",
        help_heading = TLS
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with its private key, not encrypted
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert",
        help_heading = TLS
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// The name or address that the proxy's certificate must have; by default the host of --proxy
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

const PROXIES: &str = "Several proxies";
const TLS: &str = "TLS, for tls:// and wss://";

impl ProxyArgs {
    /// Checks how options fit together.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut proxies = self.proxy.iter().enumerate();
        if let Some((_, proxy)) =
            proxies.find(|(n, proxy)| self.proxy.iter().take(*n).any(|other| other == *proxy))
        {
            let message = format!("--proxy {proxy} is given twice");
            return Err((ErrorKind::ValueValidation, message));
        }
        if self.proxy_key_sha256.len() > MAX_PINS {
            let message = format!("--proxy-key-sha256 is given more than {MAX_PINS} times");
            return Err((ErrorKind::TooManyValues, message));
        }
        let Some(option) = self.tls_without_use() else {
            return Ok(());
        };
        let proxy = listed(&self.proxy);
        let message = format!("{option} is for tls:// and wss:// alone, not for --proxy {proxy}");
        Err((ErrorKind::ArgumentConflict, message))
    }
    /// Reads the files of TLS, if TLS is used.
    pub(crate) fn load_tls(&self) -> Result<Option<ClientTls>, TlsError> {
        self.uses_tls().then(|| ClientTls::load(self.tls_files())).transpose()
    }

    /// Reads the file of proxies' keys, if there is one.
    pub(crate) fn load_pins(&self) -> Result<Option<PinFile>, PinFileError> {
        self.proxy_key_file.as_ref().map(PinFile::open).transpose()
    }

    pub(super) fn tls_files(&self) -> ClientTlsFiles {
        let mut files = ClientTlsFiles::default();
        files.ca = self.tls_ca.clone();
        files.identity = self.tls_cert.clone().zip(self.tls_key.clone());
        files.server_name = self.tls_server_name.clone();
        files
    }

    pub(super) fn uses_tls(&self) -> bool {
        self.proxy.iter().any(|proxy| proxy.scheme().is_tls())
    }

    /// Returns an option of TLS that is given although no proxy is reached by TLS.
    pub(super) fn tls_without_use(&self) -> Option<&'static str> {
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

    /// Returns one configuration for each client: one for each proxy, or one for all of them.
    pub(super) fn configs(&self) -> Vec<Config> {
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

/// The most keys that can be given.
pub(super) const MAX_PINS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyMode {
    /// One connection, to the first proxy that can be reached. When it goes away, the next one takes over at once
    Failover,
    /// A connection to each proxy. Each one scrapes the endpoint and has its metrics, so a Prometheus that scrapes all proxies has every series once
    /// for each. The last metrics are pushed to all
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

/// Returns the URLs, separated by commas.
fn listed(proxies: &[ProxyUrl]) -> String {
    let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
    proxies.join(",")
}

/// How long closing the connection may take. Together with the last push, it stays below the 10 s that containers get.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
