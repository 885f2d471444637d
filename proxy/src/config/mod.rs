//! Configuration: the command line, the environment, and the names that the original is configured by.

mod args;
mod auth;
mod balancers;
mod derived;
mod log;
mod misspelt;
mod original;
mod source;
mod tls;
mod value;

pub use balancers::{ProxyProtocol, TrustedProxies};
pub use log::LogFormat;
pub use source::ConfigError;
pub use value::{Envelope, ListenAddr, RsaBackend, RuntimeKind};

use crate::gzip;
use crate::service::memory::Shares;
use args::Args;
use clap::Parser;
pub use prometheus_rsocket_protocol::collector::PushKeep;
use prometheus_rsocket_protocol::exposition::{Inject, OnBadLine, ReservedNames};
use prometheus_rsocket_runtime::tls::ServerTlsFiles;
use source::{Environment, LISTEN_HTTP, LISTEN_TCP, LISTEN_WEBSOCKET, ORIGINAL_ADDRESS};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// With less than this, not even a single long frame is let in.
const MIN_MEMORY: usize = 16 << 20;

/// All that can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where applications connect over TCP.
    pub listen_tcp: ListenAddr,
    /// Where applications connect over WebSocket. A program built without that listener says so, and goes on without.
    pub listen_websocket: ListenAddr,
    /// Where Prometheus scrapes.
    pub listen_http: ListenAddr,
    /// The `host:port` under which scrapers reach [`listen_http`](Self::listen_http); with `None`, each reaches it as it says
    /// in its requests.
    pub advertise_http: Option<String>,
    /// TLS where applications connect over TCP; without it, the connections are plain. It is of no effect on a listener
    /// that is off.
    pub tcp_tls: Option<ServerTlsFiles>,
    /// TLS where applications connect over WebSocket, likewise.
    pub websocket_tls: Option<ServerTlsFiles>,
    /// TLS where Prometheus scrapes, likewise.
    pub http_tls: Option<ServerTlsFiles>,
    /// Whether connections of applications begin with a header of the PROXY protocol.
    pub proxy_protocol: ProxyProtocol,
    /// Load balancers whose PROXY headers and `X-Forwarded-For` are believed.
    pub trusted_proxies: TrustedProxies,
    /// How often the files of TLS are read again.
    pub tls_reload_interval: Duration,
    /// How long a TLS handshake may take, and then the opening of a WebSocket.
    pub handshake_timeout: Duration,
    /// The path that WebSockets are opened on; with `None`, any. It begins with `/`, and has no query.
    pub websocket_path: Option<String>,
    /// The runtime to run on. One that is not built in can be asked for; it is the program that refuses it.
    pub runtime: RuntimeKind,
    /// How many example applications run inside the process.
    pub demo: usize,
    /// What to log, as `tracing-subscriber` filters are written.
    pub log: String,
    /// The format of the log.
    pub log_format: LogFormat,
    /// How long a scrape may take where the scraper does not say.
    pub scrape_timeout: Duration,
    /// How long a scrape may take at most.
    pub scrape_timeout_max: Duration,
    /// How much of a scrape's time is kept for putting the answer together and sending it.
    pub scrape_timeout_offset: Duration,
    /// How many scrapes may run at the same time.
    pub max_concurrent_scrapes: usize,
    /// How many HTTP connections may be open. A few more are accepted for probes.
    pub max_http_connections: usize,
    /// Whether the joined answer ends with the state of every application, `prometheus_proxy_app_up` and its siblings.
    pub app_metrics: bool,
    /// The level of gzip, 1 to 9.
    pub gzip_level: u32,
    /// Whether the joined answer has one `HELP` and one `TYPE` per family over all applications. OpenMetrics always has.
    pub group_families: bool,
    /// How many applications may be connected.
    pub max_connections: usize,
    /// How many connections beyond that wait at once to be told that there is no place for them.
    pub max_turned_away: usize,
    /// How long an application that has gone stays listed.
    pub app_grace: Duration,
    /// How many applications that have gone stay listed.
    pub max_gone_applications: usize,
    /// The names of labels that identify an application by its metrics.
    pub identity_labels: Vec<String>,
    /// When labels that an application says in its SETUP are added to its series.
    pub inject_identity: Inject,
    /// The consequence of a line that Prometheus refuses.
    pub on_bad_line: OnBadLine,
    /// Names of series that are left out of what applications send. Read from options, `prometheus_proxy_*` is always among them.
    pub reserved_names: ReservedNames,
    /// How many bytes of text one application's metrics may be.
    pub max_text_bytes: usize,
    /// How many bytes a line may be; with `None`, as many as the text. The other limits of a text are `None` likewise.
    pub max_line_bytes: Option<usize>,
    /// How many labels a series may have.
    pub max_labels: Option<usize>,
    /// How many series one application's metrics may have.
    pub max_series: Option<usize>,
    /// How many families one application's metrics may have.
    pub max_families: Option<usize>,
    /// How many bytes a frame of an application's may be.
    pub max_frame_bytes: usize,
    /// How long a connected application may take to send its SETUP.
    pub setup_timeout: Duration,
    /// The size of the proxy's RSA key: 2048, 3072 or 4096.
    pub key_bits: usize,
    /// Whose RSA opens what applications send. One that is not built in can be asked for; the proxy then does not start.
    pub rsa_backend: RsaBackend,
    /// How applications are told to send their metrics.
    pub envelope: Envelope,
    /// The file with the credentials of applications.
    pub auth_file: Option<PathBuf>,
    /// The file with the credentials of scrapers.
    pub http_auth_file: Option<PathBuf>,
    /// Where the status page is served, if not where Prometheus scrapes.
    pub listen_admin: ListenAddr,
    /// Whether applications without credentials are turned away.
    pub require_identity: bool,
    /// The version of the envelope that applications must know: 1 or 2.
    pub min_envelope: u8,
    /// Whether plaintext is allowed also where others than this machine connect without TLS.
    pub insecure_plaintext: bool,
    /// Where the proxy's key is kept; with `None`, in memory alone.
    pub key_file: Option<PathBuf>,
    /// After how long the key is replaced by a new one, if ever.
    pub key_rotation: Option<Duration>,
    /// How many pushes are held; with 0, none.
    pub max_held_pushes: usize,
    /// How many bytes all held pushes may be together, compressed.
    pub max_held_push_bytes: usize,
    /// How many times a second one application may push over a longer time. Its other shares follow from
    /// [`max_held_push_bytes`](Self::max_held_push_bytes): a quarter of it, and at least a frame.
    pub max_push_rate: usize,
    /// Which pushes of one application are kept.
    pub push_keep: PushKeep,
    /// Where pushes are stored as well, if they are.
    pub push_dir: Option<PathBuf>,
    /// How long a push is held.
    pub push_ttl: Duration,
    /// How many bytes all connections, answers, pushes and bodies may take together, beside what the program itself needs.
    pub max_memory: usize,
    /// How old a connection may become, give or take a tenth.
    pub max_connection_age: Option<Duration>,
    /// How long to go on as usual after a signal to stop, but not ready.
    pub drain_delay: Duration,
    /// Over how long connections are let go after that.
    pub drain_spread: Duration,
    /// How long to wait after that for held pushes to be scraped.
    pub push_linger: Duration,
    /// How long scrapes under way may go on in the end.
    pub shutdown_timeout: Duration,
    /// What has no effect although it looks as if it were meant to, and what is set by a name of the original's, one sentence each.
    pub warnings: Vec<String>,
}

impl Config {
    /// The command line, for manuals and completions.
    pub fn command() -> clap::Command {
        <Args as clap::CommandFactory>::command()
    }

    /// Reads a command line, whose first argument is the program's name, and an environment, as
    /// [`std::env::args_os`] and [`std::env::vars_os`] supply them.
    ///
    /// The order, for each setting: the option, the original's option, the environment variable, the original's
    /// environment variable, the default. An environment variable that is empty counts as not set.
    pub fn from_args(
        args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut env = Environment::new(env);
        let (args, sentences) =
            original::translate(args.into_iter().map(Into::into).collect(), &mut env)?;
        let args = Args::try_parse_from(args)?;
        let mut config = Self::resolve(args, &env)?;
        config.check()?;
        config.warnings = sentences;
        config.warnings.extend(misspelt::warnings(&env));
        Ok(config)
    }

    #[rustfmt::skip] // One setting, one line.
    fn resolve(mut args: Args, env: &Environment) -> Result<Self, ConfigError> {
        let mut c = Self::default();
        let host = match args.server_address {
            Some(host) => host,
            None => env.parsed(ORIGINAL_ADDRESS, value::host)?.unwrap_or_else(|| value::ANY_HOST.to_owned()),
        };
        c.listen_tcp = env.listener(&LISTEN_TCP, &host, args.listen_tcp, args.micrometer_tcp_port)?;
        c.listen_websocket = env.listener(&LISTEN_WEBSOCKET, &host, args.listen_websocket, args.micrometer_websocket_port)?;
        c.listen_http = env.listener(&LISTEN_HTTP, &host, args.listen_http, args.server_port)?;
        c.advertise_http = args.advertise_http;
        env.complete(&mut c.advertise_http, "advertise-http", value::authority)?;
        (c.tcp_tls, c.websocket_tls, c.http_tls) = args.tls.resolve(env)?;
        (c.proxy_protocol, c.trusted_proxies) = args.balancers.resolve(env)?;
        env.set(&mut c.tls_reload_interval, args.tls.tls_reload_interval, "tls-reload-interval", value::positive_duration)?;
        env.set(&mut c.handshake_timeout, args.handshake_timeout, "handshake-timeout", value::positive_duration)?;
        let mut path = value::ANY_PATH.to_owned();
        env.set(&mut path, args.websocket_path, "websocket-path", value::websocket_path)?;
        c.websocket_path = Some(path).filter(|path| path != value::ANY_PATH);
        env.set(&mut c.runtime, args.runtime, "runtime", value::runtime)?;
        env.set(&mut c.demo, args.demo, "demo", value::demo_count)?;
        env.set(&mut c.log, args.log, "log", log::filter)?;
        env.set(&mut c.log_format, args.log_format, "log-format", log::format)?;

        env.set(&mut c.scrape_timeout_max, args.scrape_timeout_max, "scrape-timeout-max", value::positive_duration)?;
        // Who lowers the maximum alone has not asked for more than it.
        c.scrape_timeout = c.scrape_timeout.min(c.scrape_timeout_max);
        env.set(&mut c.scrape_timeout, args.scrape_timeout, "scrape-timeout", value::positive_duration)?;
        env.set(&mut c.scrape_timeout_offset, args.scrape_timeout_offset, "scrape-timeout-offset", value::duration)?;
        env.set(&mut c.max_concurrent_scrapes, args.max_concurrent_scrapes, "max-concurrent-scrapes", value::positive_count)?;
        env.set(&mut c.max_http_connections, args.max_http_connections, "max-http-connections", value::positive_count)?;
        env.set(&mut c.app_metrics, args.app_metrics, "app-metrics", value::switch)?;
        env.set(&mut c.gzip_level, args.gzip_level, "gzip-level", value::gzip_level)?;
        env.set(&mut c.group_families, args.group_families, "group-families", value::switch)?;

        env.set(&mut c.max_connections, args.max_connections, "max-connections", value::positive_count)?;
        env.set(&mut c.app_grace, args.app_grace, "app-grace", value::duration)?;
        env.set(&mut c.max_gone_applications, args.max_gone_applications, "max-gone-applications", value::count)?;
        env.set(&mut c.identity_labels, args.identity_labels, "identity-labels", value::label_names)?;
        env.set(&mut c.inject_identity, args.inject_identity, "inject-identity", value::inject)?;
        env.set(&mut c.on_bad_line, args.on_bad_line, "on-bad-line", value::on_bad_line)?;
        env.set(&mut c.reserved_names, args.reserved_names, "reserved-names", value::reserved_names)?;
        env.set(&mut c.max_text_bytes, args.max_text_bytes, "max-text-bytes", value::bytes)?;
        env.set(&mut c.max_line_bytes, args.max_line_bytes, "max-line-bytes", value::limit_bytes)?;
        env.set(&mut c.max_labels, args.max_labels, "max-labels", value::limit_count)?;
        env.set(&mut c.max_series, args.max_series, "max-series", value::limit_count)?;
        env.set(&mut c.max_families, args.max_families, "max-families", value::limit_count)?;
        env.set(&mut c.max_frame_bytes, args.max_frame_bytes, "max-frame-bytes", value::frame_bytes)?;
        env.set(&mut c.setup_timeout, args.setup_timeout, "setup-timeout", value::positive_duration)?;
        env.set(&mut c.key_bits, args.key_bits, "key-bits", value::key_bits)?;
        env.set(&mut c.rsa_backend, args.rsa_backend, "rsa-backend", value::rsa_backend)?;
        env.set(&mut c.envelope, args.envelope, "envelope", value::envelope)?;

        args.auth.resolve(&mut c, env)?;

        env.set(&mut c.min_envelope, args.min_envelope, "min-envelope", value::envelope_version)?;
        env.set(&mut c.insecure_plaintext, args.insecure_plaintext, "insecure-plaintext", value::switch)?;
        c.key_file = args.key_file;
        env.complete(&mut c.key_file, "key-file", value::file)?;
        env.set(&mut c.key_rotation, args.key_rotation, "key-rotation", value::key_rotation)?;

        env.set(&mut c.max_memory, args.max_memory, "max-memory", value::bytes)?;
        c.max_held_push_bytes = Shares::of(c.max_memory).pushes;
        env.set(&mut c.max_held_pushes, args.max_held_pushes, "max-held-pushes", value::count)?;
        env.set(&mut c.max_held_push_bytes, args.max_held_push_bytes, "max-held-push-bytes", value::bytes)?;
        env.set(&mut c.max_push_rate, args.max_push_rate, "max-push-rate", value::positive_count)?;
        env.set(&mut c.push_keep, args.push_keep, "push-keep", value::push_keep)?;
        c.push_dir = args.push_dir;
        env.complete(&mut c.push_dir, "push-dir", value::file)?;
        env.set(&mut c.push_ttl, args.push_ttl, "push-ttl", value::positive_duration)?;
        env.set(&mut c.max_connection_age, args.max_connection_age, "max-connection-age", value::limit_duration)?;
        env.set(&mut c.drain_delay, args.drain_delay, "drain-delay", value::duration)?;
        env.set(&mut c.drain_spread, args.drain_spread, "drain-spread", value::duration)?;
        env.set(&mut c.push_linger, args.push_linger, "push-linger", value::duration)?;
        env.set(&mut c.shutdown_timeout, args.shutdown_timeout, "shutdown-timeout", value::duration)?;
        Ok(c)
    }

    /// What no single value shows to be wrong.
    fn check(&self) -> Result<(), ConfigError> {
        let Self { scrape_timeout, scrape_timeout_max, scrape_timeout_offset, .. } = self;
        if self.max_memory < MIN_MEMORY {
            return Err(ConfigError::Conflict(format!(
                "--max-memory {} is less than the 16MiB that the proxy needs",
                self.max_memory
            )));
        }
        if scrape_timeout > scrape_timeout_max {
            return Err(ConfigError::Conflict(format!(
                "--scrape-timeout {scrape_timeout:?} is longer than --scrape-timeout-max {scrape_timeout_max:?}"
            )));
        }
        if scrape_timeout_offset >= scrape_timeout {
            return Err(ConfigError::Conflict(format!(
                "--scrape-timeout-offset {scrape_timeout_offset:?} leaves nothing of --scrape-timeout {scrape_timeout:?}"
            )));
        }
        if ![&self.listen_tcp, &self.listen_websocket, &self.listen_http].iter().any(|l| l.is_on())
        {
            let all_off = "--listen-tcp, --listen-websocket and --listen-http are all off";
            return Err(ConfigError::Conflict(all_off.to_owned()));
        }
        auth::check(self)?;
        self.check_plaintext()?;
        self.check_demo()
    }

    /// Metrics that nothing protects travel only where nobody else can be.
    fn check_plaintext(&self) -> Result<(), ConfigError> {
        if self.envelope != Envelope::Plaintext {
            return Ok(());
        }
        let conflicts = [
            ("--min-envelope 2", self.min_envelope >= 2),
            ("--key-file", self.key_file.is_some()),
            ("--key-rotation", self.key_rotation.is_some()),
        ];
        if let Some((option, _)) = conflicts.into_iter().find(|(_, is_given)| *is_given) {
            let conflict =
                format!("--envelope plaintext seals nothing, which contradicts {option}");
            return Err(ConfigError::Conflict(conflict));
        }
        let listeners = [
            ("--listen-tcp", &self.listen_tcp, &self.tcp_tls),
            ("--listen-websocket", &self.listen_websocket, &self.websocket_tls),
        ];
        let is_open = |(_, listen, tls): &(&str, &ListenAddr, &Option<ServerTlsFiles>)| {
            listen.is_on() && tls.is_none() && !listen.is_loopback()
        };
        match listeners.into_iter().find(is_open) {
            Some((option, listen, _)) if !self.insecure_plaintext => {
                Err(ConfigError::Conflict(format!(
                    "--envelope plaintext needs TLS or a loopback address for {option} {listen}; --insecure-plaintext does without"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The example applications trust nobody, so they need a listener without TLS.
    fn check_demo(&self) -> Result<(), ConfigError> {
        let listeners =
            [(&self.listen_tcp, &self.tcp_tls), (&self.listen_websocket, &self.websocket_tls)];
        let is_plain = |(listen, tls): &(&ListenAddr, &Option<ServerTlsFiles>)| {
            listen.is_on() && tls.is_none()
        };
        if self.demo > 0 && !listeners.iter().any(is_plain) {
            return Err(ConfigError::Conflict(format!(
                "--demo {} needs --listen-tcp or --listen-websocket, without TLS",
                self.demo
            )));
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen_tcp: ListenAddr::any(LISTEN_TCP.default_port),
            listen_websocket: ListenAddr::any(LISTEN_WEBSOCKET.default_port),
            listen_http: ListenAddr::any(LISTEN_HTTP.default_port),
            advertise_http: None,
            tcp_tls: None,
            websocket_tls: None,
            http_tls: None,
            proxy_protocol: ProxyProtocol::Off,
            trusted_proxies: TrustedProxies::default(),
            tls_reload_interval: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            websocket_path: None,
            runtime: RuntimeKind::default(),
            demo: 0,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            scrape_timeout: Duration::from_secs(10),
            scrape_timeout_max: Duration::from_secs(60),
            scrape_timeout_offset: Duration::from_millis(500),
            max_concurrent_scrapes: 8,
            max_http_connections: 256,
            app_metrics: true,
            gzip_level: gzip::LEVEL,
            group_families: false,
            max_connections: 10_000,
            max_turned_away: 256,
            app_grace: Duration::from_secs(300),
            max_gone_applications: 10_000,
            identity_labels: Vec::new(),
            inject_identity: Inject::Missing,
            on_bad_line: OnBadLine::DropApplication,
            reserved_names: ReservedNames::default(),
            max_text_bytes: 32 << 20,
            max_line_bytes: None,
            max_labels: None,
            max_series: None,
            max_families: None,
            max_frame_bytes: 0xff_ffff,
            setup_timeout: Duration::from_secs(60),
            key_bits: 2048,
            rsa_backend: RsaBackend::Auto,
            envelope: Envelope::Encrypted,
            auth_file: None,
            http_auth_file: None,
            listen_admin: ListenAddr::Off,
            require_identity: false,
            min_envelope: 1,
            insecure_plaintext: false,
            key_file: None,
            key_rotation: None,
            max_held_pushes: 1000,
            max_held_push_bytes: 24 << 20,
            max_push_rate: 10,
            push_keep: PushKeep::Last,
            push_dir: None,
            push_ttl: Duration::from_secs(300),
            max_memory: 192 << 20,
            max_connection_age: None,
            drain_delay: Duration::ZERO,
            drain_spread: Duration::ZERO,
            push_linger: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(15),
            warnings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
