//! The command line.

use crate::Failure;
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Connects many applications to a running proxy, scrapes it, and reports what that took.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Args {
    /// The proxy's RSocket listener: HOST:PORT or tcp://, tls://, ws://, wss://HOST:PORT. Given several times, the applications take turns
    #[arg(long, value_name = "URL", default_value = "tcp://127.0.0.1:7001")]
    pub(crate) rsocket: Vec<Url>,
    /// The CA that the proxy's certificate comes from; without it, those that the system trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The proxy's HTTP listener
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http: SocketAddr,
    /// The proxy's process, whose memory and processor time are reported
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// The file that the report is written to, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// The number of applications
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) apps: usize,
    /// The number of series of each application
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) series: usize,
    /// The version of the metrics envelope that the applications say they understand
    #[arg(long, value_name = "VERSION", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) envelope: u8,
    /// The applications that never answer: a count, or a share such as 5%
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(crate) hung: Share,
    /// The applications that answer late: a count, or a share
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(crate) slow: Share,
    /// The seconds by which they are late
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    pub(crate) slow_by: Duration,

    /// The seconds over which the applications begin to connect; 0 is all at once
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    pub(crate) ramp: Duration,
    /// The seconds after which an application comes back that could not connect, or was cut off
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub(crate) reconnect_after: Duration,
    /// The seconds within which all applications must have a key
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    pub(crate) key_timeout: Duration,
    /// The seconds to wait then before the proxy's memory is read
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    pub(crate) settle: Duration,

    /// The number of scrapes, one after the other
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    pub(crate) scrapes: usize,
    /// The number of scrapes before them that are not reported
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) warm_up: usize,
    /// The scraper's time limit in seconds, which the proxy is told
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub(crate) timeout: Duration,
    /// Scrape without compression
    #[arg(long)]
    pub(crate) identity: bool,
    /// The header Accept of a scrape; without it, the proxy answers in the text format 0.0.4
    #[arg(long, value_name = "TYPES")]
    pub(crate) accept: Option<String>,

    /// The seconds of churn after the scrapes; 0 is none
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    pub(crate) duration: Duration,
    /// The number of applications that reconnect each second of it: one third close, one third are cut off, one third push before they close
    #[arg(long, value_name = "COUNT", default_value_t = 0.0)]
    pub(crate) churn: f64,
    /// The number of pushes each second of it from applications that stay
    #[arg(long, value_name = "COUNT", default_value_t = 0.0)]
    pub(crate) pushes: f64,
    /// The seconds from one scrape to the next during it, and from one look at the proxy's memory to the next
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "15")]
    pub(crate) interval: Duration,

    /// In the end, keep the applications connected until standard input ends
    #[arg(long)]
    pub(crate) hold: bool,
}

/// File descriptors beside those of the applications.
const SPARE_DESCRIPTORS: u64 = 100;

impl Args {
    /// Refuses what cannot be run here, and raises the limit of file descriptors.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.apps == 0 {
            return Err("--apps 0: there is nothing to connect".into());
        }
        if self.interval.is_zero() {
            return Err("--interval 0: the scrapes need a pause".into());
        }
        for (flag, rate) in [("--churn", self.churn), ("--pushes", self.pushes)] {
            if !(0.0..=10_000.0).contains(&rate) {
                return Err(format!("{flag} {rate}: it must be from 0 to 10000 a second").into());
            }
        }
        let needed = self.apps as u64 + SPARE_DESCRIPTORS;
        let limit = rlimit::increase_nofile_limit(needed)?;
        if limit < needed {
            return Err(
                format!("--apps {}: this process may open {limit} files only", self.apps).into()
            );
        }
        Ok(())
    }
}

/// Seconds on the command line; an hour and a day are the same to it.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number)
        .ok()
        .filter(|time| *time <= Duration::from_secs(7 * 86_400))
        .ok_or_else(|| "must be from 0 to 604800 seconds".to_owned())
}

/// Some of the applications: the first ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Share {
    Count(usize),
    Percent(f64),
}

impl Share {
    /// The number of applications among `all`.
    pub(crate) fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count.min(all),
            Self::Percent(percent) => (all as f64 * percent / 100.0).round() as usize,
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "must be a count, or a share from 0% to 100%".to_owned();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
            Some(number) => match number.parse() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
        }
    }
}

/// Where to connect to, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) is_tls: bool,
    pub(crate) is_websocket: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Of a WebSocket.
    pub(crate) path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let (is_tls, is_websocket) = match scheme {
            "tcp" => (false, false),
            "tls" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => return Err(format!("the scheme {scheme} is none of tcp, tls, ws, wss")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let wrong = || "must have a host and a port".to_owned();
        let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.parse().map_err(|_| wrong())?;
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        Ok(Self { is_tls, is_websocket, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn a_share_is_a_count_or_a_percentage() {
        assert_eq!("7".parse::<Share>().unwrap().of(5), 5);
        assert_eq!("5%".parse::<Share>().unwrap().of(1000), 50);
        assert!("101%".parse::<Share>().is_err());
        assert!("some".parse::<Share>().is_err());
    }

    #[test]
    fn a_url_names_the_transport() {
        let url: Url = "wss://[::1]:8081/rsocket".parse().unwrap();
        assert!(url.is_tls && url.is_websocket);
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("::1", 8081, "/rsocket"));
        let url: Url = "127.0.0.1:7001".parse().unwrap();
        assert!(!url.is_tls && !url.is_websocket);
        assert!("http://127.0.0.1:1".parse::<Url>().is_err());
        assert!("tcp://127.0.0.1".parse::<Url>().is_err());
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("-1").is_err());
        assert!(seconds("1e9").is_err());
        assert!(seconds("NaN").is_err());
    }
}
