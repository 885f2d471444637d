use crate::fetch::ScrapeUrl;
use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};
use prometheus_rsocket_client::{
    AesKeySize, BackoffConfig, ClientTls, ClientTlsFiles, Config, ProxyUrl, PushMode, TlsError,
};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Relays the /metrics endpoint of a program to a prometheus-rsocket-proxy, for Prometheus to scrape there.
///
/// On SIGTERM or SIGINT the program is scraped once more, and that is pushed before the connection is closed. The exit status is then
/// 0 if the proxy has stored it, 1 if not. It is 2 for a bad option.
#[derive(Clone, Debug, Parser)]
#[command(name = "prometheus-rsocket-client", version)]
pub(crate) struct Args {
    /// The proxy: tcp://HOST:PORT
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_PROXY", value_name = "URL")]
    pub(crate) proxy: ProxyUrl,
    /// The endpoint to relay: http://HOST:PORT/metrics
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE", value_name = "URL")]
    pub(crate) scrape: ScrapeUrl,
    /// The runtime to run on
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_RUNTIME", default_value_t)]
    pub(crate) runtime: RuntimeKind,
    /// What to log, as `tracing` filters are written
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_LOG", default_value = "info", value_parser = log_filter)]
    pub(crate) log: String,
    /// The shortest pause before connecting again (500ms, 10s, 5m)
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
    /// How long the last push may take
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_PUSH_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub(crate) push_timeout: Duration,
    /// Whether the last push waits for the proxy's word that it is stored
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_PUSH", default_value = "acknowledged")]
    pub(crate) push: Push,
    /// The longest text that the endpoint may answer with, in bytes (1000, 64KiB, 8MiB)
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_MAX_TEXT_BYTES", default_value = "16MiB", value_parser = bytes)]
    pub(crate) max_text_bytes: usize,
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

const TLS: &str = "TLS, for tls:// and wss://";

impl Args {
    /// What no single option shows to be wrong.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        let Some(option) = self.tls_without_use() else {
            return Ok(());
        };
        let proxy = &self.proxy;
        let message = format!("{option} is for tls:// and wss:// alone, not for --proxy {proxy}");
        Err(Self::command().error(ErrorKind::ArgumentConflict, message))
    }

    /// Reads the files of TLS, if it is used.
    pub(crate) fn load_tls(&self) -> Result<Option<ClientTls>, TlsError> {
        let is_used = self.proxy.scheme().is_tls();
        is_used.then(|| ClientTls::load(self.tls_files())).transpose()
    }

    fn tls_files(&self) -> ClientTlsFiles {
        let mut files = ClientTlsFiles::default();
        files.ca = self.tls_ca.clone();
        files.identity = self.tls_cert.clone().zip(self.tls_key.clone());
        files.server_name = self.tls_server_name.clone();
        files
    }

    /// An option of TLS that is given though the proxy is reached without.
    fn tls_without_use(&self) -> Option<&'static str> {
        if self.proxy.scheme().is_tls() {
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

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.proxy.clone());
        config.connect_timeout = self.connect_timeout;
        config.metrics_timeout = self.scrape_timeout;
        config.agent.backoff = BackoffConfig::new(self.backoff_min, self.backoff_max);
        config.agent.push_timeout = self.push_timeout;
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

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_option_has_an_environment_variable_of_its_name() {
        let command = Args::command();
        command.clone().debug_assert();
        for option in command.get_arguments().filter(|option| option.get_long() != Some("help")) {
            let Some(long) = option.get_long().filter(|long| *long != "version") else { continue };
            let name = long.replace('-', "_").to_uppercase();
            let expected = format!("PROMETHEUS_RSOCKET_CLIENT_{name}");
            assert_eq!(option.get_env().unwrap().to_str(), Some(&expected[..]));
        }
    }

    #[test]
    fn times_and_sizes_are_understood() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for text in ["", "5", "0s", "s", "1.5s", "-1s", "5 s", "1d", "99999999999s"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert_eq!(bytes("1000"), Ok(1000));
        assert_eq!(bytes("8MiB"), Ok(8 << 20));
        for text in
            ["", "0", "8MB", "MiB", "-1", "1.5MiB", "99999999999999999999", "99999999999GiB"]
        {
            assert!(bytes(text).is_err(), "{text:?}");
        }
    }

    const NEEDED: [&str; 3] = ["client", "--proxy=tcp://p", "--scrape=http://l/metrics"];

    fn parsed(args: &[&str]) -> Args {
        Args::try_parse_from(NEEDED.iter().chain(args)).unwrap()
    }

    #[test]
    fn options_of_tls_reach_the_library() {
        let args = ["--tls-ca=ca", "--tls-cert=c", "--tls-key=k", "--tls-server-name=n"];
        let tls = parsed(&args).tls_files();
        assert_eq!(tls.ca, Some("ca".into()));
        assert_eq!(tls.identity, Some(("c".into(), "k".into())));
        assert_eq!(tls.server_name, Some("n".to_owned()));
    }

    #[test]
    fn a_certificate_and_its_key_need_each_other() {
        for (given, missing) in [("--tls-cert=c", "--tls-key"), ("--tls-key=k", "--tls-cert")] {
            let error = Args::try_parse_from(NEEDED.iter().chain([&given])).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(missing), "{error}");
        }
    }

    #[test]
    fn options_of_tls_are_refused_where_there_is_none() {
        assert!(parsed(&[]).check().is_ok());
        for given in
            [&["--tls-ca=ca"][..], &["--tls-cert=c", "--tls-key=k"], &["--tls-server-name=n"]]
        {
            let args = parsed(given);
            let option = given[0].split('=').next().unwrap();
            let error = args.check().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let message = error.to_string();
            assert!(
                message.contains(option) && message.contains("--proxy tcp://p:7001"),
                "{message}"
            );
            for (proxy, found) in [
                ("tcp://tls:1", Some(option)),
                ("ws://p/", Some(option)),
                ("tls://p:7001", None),
                ("wss://p/", None),
            ] {
                let args = Args { proxy: proxy.parse().unwrap(), ..args.clone() };
                assert_eq!(args.tls_without_use(), found, "{proxy}");
            }
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let config = parsed(&[]).config();
        let default = Config::new("tcp://p".parse().unwrap());
        assert_eq!(format!("{config:?}"), format!("{default:?}"));
    }
}
