//! What the program does besides relaying, and how it reaches proxies.

use super::Fault;
use super::values::duration;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use prometheus_rsocket_client::{Environment, ProxyUrl, Route, Via};
use prometheus_rsocket_runtime::read_file;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

#[derive(Args, Clone, Debug)]
pub(crate) struct ModeArgs {
    /// Fetches the endpoint, or reads standard input to its end with --stdin, pushes the metrics once, and ends. The exit status is 0 if the metrics
    /// are stored, and 1 if not. After the end of standard input, this takes at most --scrape-timeout, --connect-timeout and --push-timeout together
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_ONCE",
        conflicts_with_all = ["command", "listen"],
        help_heading = MODES
    )]
    pub(crate) once: bool,
    /// Reads the metrics from standard input, as Prometheus text or OpenMetrics of at most --max-text-bytes. Invalid input is refused with exit
    /// status 2
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_STDIN",
        requires = "once",
        help_heading = MODES
    )]
    pub(crate) stdin: bool,
    /// Address that serves the relay's own metrics at /metrics, /-/healthy, and /-/ready, which is 200 while all connections to proxies are
    /// established
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_LISTEN",
        value_name = "ADDRESS:PORT",
        help_heading = MODES
    )]
    pub(crate) listen: Option<SocketAddr>,
    /// How often to fetch the metrics of the command, so that there are some when it ends by itself; what it counts after the last time is lost.
    /// Before the relay passes a signal to end on, it fetches them once more
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_LAST_METRICS_EVERY",
        value_name = "TIME",
        default_value = "5s",
        value_parser = duration,
        help_heading = MODES
    )]
    pub(crate) last_metrics_every: Duration,
    /// Connects to proxies through this HTTP proxy, by CONNECT: http://[USER@]HOST[:PORT]. By default the variables HTTPS_PROXY (tls://, wss://),
    /// http_proxy (ws://), ALL_PROXY and NO_PROXY count, as with curl; `off` ignores them. In the environment the URL may have a password
    /// (USER:PASSWORD@); on the command line it must not. Endpoints are always fetched directly
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_VIA",
        hide_env_values = true,
        value_name = "URL",
        value_parser = via,
        help_heading = WAY_OUT
    )]
    pub(crate) via: Option<ViaValue>,
    /// File with the password of the user of --via; read at the start
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_VIA_PASSWORD_FILE",
        value_name = "FILE",
        requires = "via",
        help_heading = WAY_OUT
    )]
    pub(crate) via_password_file: Option<PathBuf>,
    /// A command to run, whose endpoint is relayed while it runs. The relay passes SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 and SIGUSR2 on to it,
    /// and pushes its last metrics when it has ended. The second of SIGTERM, SIGINT and SIGQUIT kills it, and nothing is pushed
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

const MODES: &str = "Jobs and commands";
const WAY_OUT: &str = "HTTP proxy on the way";

impl ModeArgs {
    /// Checks conditions on where values come from.
    pub(super) fn check_sources(matches: &ArgMatches) -> Result<(), Fault> {
        let is_on_command_line = matches.value_source("via") == Some(ValueSource::CommandLine);
        let via = matches.get_one::<ViaValue>("via");
        if is_on_command_line && via.is_some_and(|via| Via::has_password(&via.0)) {
            let message = "--via: a password on a command line can be read by others; put it into the file of \
                           --via-password-file, or the URL into PROMETHEUS_RSOCKET_CLIENT_VIA";
            return Err((ErrorKind::ValueValidation, message.to_owned()));
        }
        Ok(())
    }

    /// Returns the route to these proxies. Reads the file with the password, if there is one.
    pub(crate) fn load_route(&self, proxies: &[ProxyUrl]) -> Result<Route, String> {
        let route = match self.via.as_ref().map(|via| via.0.as_str()) {
            None => Route::Environment(Environment::of_process()),
            Some("off") => Route::Direct,
            Some(url) => {
                let via: Via = url.parse().map_err(|error| format!("--via {error}"))?;
                Route::Via(self.with_password(via)?)
            }
        };
        for proxy in proxies {
            let via = route.to(proxy);
            via.map_err(|error| format!("{error} (--via off ignores the environment)"))?;
        }
        Ok(route)
    }

    fn with_password(&self, via: Via) -> Result<Via, String> {
        let Some(file) = &self.via_password_file else { return Ok(via) };
        let place = format!("--via-password-file {}", file.display());
        let bytes = read_file(file, MAX_PASSWORD_FILE);
        let bytes = Zeroizing::new(bytes.map_err(|error| format!("{place}: {error}"))?);
        let password = std::str::from_utf8(&bytes);
        let password = password.map_err(|_| format!("{place}: it is not UTF-8"))?;
        via.with_password(password.trim()).map_err(|error| format!("{place}: {error}"))
    }
}

/// The URL of an HTTP proxy, or `off`. It may contain a password, which `Debug` does not show.
#[derive(Clone)]
pub(crate) struct ViaValue(Zeroizing<String>);

impl fmt::Debug for ViaValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViaValue")
    }
}

/// Accepts anything, because clap's errors would show the value. It is checked later.
fn via(url: &str) -> Result<ViaValue, std::convert::Infallible> {
    Ok(ViaValue(Zeroizing::new(url.to_owned())))
}

/// The longest password file, in bytes; longer than any password.
const MAX_PASSWORD_FILE: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use crate::cli::Args;
    use clap::Parser;

    fn parsed(args: &[&str]) -> Result<Args, clap::Error> {
        let needed = ["client", "--proxy=tcp://p", "--scrape=http://l/metrics"];
        Args::try_parse_from(needed.iter().chain(args))
    }

    #[test]
    fn modes_that_exclude_each_other_are_refused() {
        for args in [
            &["--stdin"][..],
            &["--once", "--listen=127.0.0.1:0"],
            &["--once", "--", "true"],
            &["--via-password-file=x"],
            &["--listen=localhost"],
            &["--last-metrics-every=0s"],
            // Without `--` this is not a command.
            &["true"],
        ] {
            assert!(parsed(args).is_err(), "{args:?}");
        }
        let args = parsed(&["--listen=[::1]:0", "--", "sh", "-c", "exit 3", "--once"]).unwrap();
        assert_eq!(args.modes.command, ["sh", "-c", "exit 3", "--once"]);
        assert!(!args.modes.once);
    }

    #[test]
    fn ways_out_are_found_or_their_fault_is_named() {
        let file = std::env::temp_dir().join(format!("via-password-{}", std::process::id()));
        std::fs::write(&file, "secret\n").unwrap();
        let from_file = format!("--via-password-file={}", file.display());
        let proxies = ["tcp://p".parse().unwrap()];
        let via_of = |args: &[&str]| {
            let route = parsed(args).unwrap().modes.load_route(&proxies)?;
            Ok::<_, String>(route.to(&proxies[0]).unwrap())
        };
        let known = via_of(&["--via=http://u@squid:3128", &from_file]).unwrap().unwrap();
        assert_eq!(known, "http://u:secret@squid:3128".parse().unwrap());
        assert_eq!(via_of(&["--via=off"]).unwrap(), None);
        for (args, reason) in [
            (&["--via=socks5://u:secret@h"][..], "only an HTTP proxy"),
            (&["--via=h", &from_file], "a password needs a user"),
            (&["--via=u@h", "--via-password-file=/does/not/exist"], "/does/not/exist"),
        ] {
            let error = via_of(args).unwrap_err();
            assert!(error.starts_with("--via") && error.contains(reason), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let shown = format!("{:?}", parsed(&["--via=http://u:secret@squid"]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
        std::fs::remove_file(file).unwrap();
    }
}
