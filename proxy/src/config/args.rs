use super::auth::AuthArgs;
use super::balancers::BalancerArgs;
use super::log::{self, LogFormat};
use super::tls::TlsArgs;
use super::value::{
    self, Envelope, Limit, LimitedTime, ListenAddr, Names, RsaBackend, RuntimeKind,
};
use clap::Parser;
use prometheus_rsocket_protocol::collector::PushKeep;
use prometheus_rsocket_protocol::exposition::{Inject, OnBadLine, ReservedNames};
use std::path::PathBuf;
use std::time::Duration;

/// The command line. What is not given is `None`, so that the environment and the defaults can follow.
#[derive(Debug, Parser)]
#[command(
    name = "prometheus-rsocket-proxy",
    version,
    about = "Lets Prometheus scrape applications that may only open outgoing connections",
    after_help = AFTER_HELP
)]
pub(super) struct Args {
    /// Where applications connect over TCP: host:port (port 0 takes any), or off [default: 0.0.0.0:7001]
    #[arg(long, value_name = "ADDR", value_parser = value::listen_addr, help_heading = "Listeners")]
    pub(super) listen_tcp: Option<ListenAddr>,

    /// Where applications connect over WebSocket, likewise [default: 0.0.0.0:8081]
    #[arg(long, value_name = "ADDR", value_parser = value::listen_addr, help_heading = "Listeners")]
    pub(super) listen_websocket: Option<ListenAddr>,

    /// Where Prometheus scrapes, over HTTP, likewise [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR", value_parser = value::listen_addr, help_heading = "Listeners")]
    pub(super) listen_http: Option<ListenAddr>,

    /// Which path WebSockets are opened on, such as /rsocket; others are refused [default: any]
    #[arg(long, value_name = "PATH", value_parser = value::websocket_path, help_heading = "Listeners")]
    pub(super) websocket_path: Option<String>,

    /// How long a TLS handshake, and then a WebSocket's opening, may take each [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = value::positive_duration, help_heading = "Listeners")]
    pub(super) handshake_timeout: Option<Duration>,

    #[command(flatten)]
    pub(super) tls: TlsArgs,

    #[command(flatten)]
    pub(super) auth: AuthArgs,

    #[command(flatten)]
    pub(super) balancers: BalancerArgs,

    /// The address under which Prometheus reaches this proxy, as host:port, for /sd; by default the Host of the request for /sd
    #[arg(long, value_name = "HOST:PORT", value_parser = value::authority, help_heading = "Listeners")]
    pub(super) advertise_http: Option<String>,

    /// The original's name for the host of all listeners
    #[arg(long = "server.address", value_name = "HOST", value_parser = value::host, hide = true)]
    pub(super) server_address: Option<String>,

    /// The original's name for the port of --listen-http
    #[arg(long = "server.port", value_name = "PORT", value_parser = value::port, hide = true)]
    pub(super) server_port: Option<u16>,

    /// The original's name for the port of --listen-tcp
    #[arg(
        long = "micrometer.prometheus-proxy.tcp-port",
        value_name = "PORT",
        value_parser = value::port,
        hide = true
    )]
    pub(super) micrometer_tcp_port: Option<u16>,

    /// The original's name for the port of --listen-websocket
    #[arg(
        long = "micrometer.prometheus-proxy.websocket-port",
        value_name = "PORT",
        value_parser = value::port,
        hide = true
    )]
    pub(super) micrometer_websocket_port: Option<u16>,

    #[arg(long, value_name = "RUNTIME", value_parser = value::runtime, help = runtime_help())]
    pub(super) runtime: Option<RuntimeKind>,

    /// Run so many small example applications inside this process [default: 0]
    #[arg(long, value_name = "COUNT", value_parser = value::demo_count)]
    pub(super) demo: Option<usize>,

    /// What to log: off, error, warn, info, debug, trace, or filters such as info,hyper=debug [default: info]
    #[arg(long, value_name = "FILTER", value_parser = log::filter)]
    pub(super) log: Option<String>,

    /// How to log: text, or json with one object per line [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = log::format)]
    pub(super) log_format: Option<LogFormat>,

    /// How long a scrape may take where the scraper does not say [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = value::positive_duration, help_heading = "Scrapes")]
    pub(super) scrape_timeout: Option<Duration>,

    /// How long it may take at most, whatever the scraper says [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = value::positive_duration, help_heading = "Scrapes")]
    pub(super) scrape_timeout_max: Option<Duration>,

    /// How much of that time is kept for putting the answer together and sending it [default: 500ms]
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Scrapes")]
    pub(super) scrape_timeout_offset: Option<Duration>,

    /// How many scrapes may render at the same time; those that wait for applications do not count [default: 8]
    #[arg(long, value_name = "COUNT", value_parser = value::positive_count, help_heading = "Scrapes")]
    pub(super) max_concurrent_scrapes: Option<usize>,

    /// How many HTTP connections may be open. Half as many scrapes may be under way [default: 256]
    #[arg(long, value_name = "COUNT", value_parser = value::positive_count, help_heading = "Scrapes")]
    pub(super) max_http_connections: Option<usize>,

    /// Whether /metrics/connected ends with the state of every application, prometheus_proxy_app_*: on or off [default: on]
    #[arg(long, value_name = "WHETHER", value_parser = value::switch, help_heading = "Scrapes")]
    pub(super) app_metrics: Option<bool>,

    /// How much work gzip takes on to make answers smaller, 1 to 9 [default: 2]
    #[arg(long, value_name = "LEVEL", value_parser = value::gzip_level, help_heading = "Scrapes")]
    pub(super) gzip_level: Option<u32>,

    /// Writes one HELP and one TYPE per family over all applications, for strict parsers; OpenMetrics is always grouped [default: false]
    #[arg(
        long,
        value_name = "WHETHER",
        value_parser = value::switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Scrapes"
    )]
    pub(super) group_families: Option<bool>,

    /// How many applications may be connected [default: 10000]
    #[arg(long, value_name = "COUNT", value_parser = value::positive_count, help_heading = "Applications")]
    pub(super) max_connections: Option<usize>,

    /// How long an application that has gone stays listed, for it to come back to and for alerts to fire [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Applications")]
    pub(super) app_grace: Option<Duration>,

    /// How many applications that have gone stay listed; beyond it, those that went first are forgotten early [default: 10000]
    #[arg(long, value_name = "COUNT", value_parser = value::count, help_heading = "Applications")]
    pub(super) max_gone_applications: Option<usize>,

    /// Labels that identify an application by its metrics, such as application,instance [default: none]
    #[arg(long, value_name = "NAMES", value_parser = value::label_names, help_heading = "Applications")]
    pub(super) identity_labels: Option<Names>,

    /// When labels that an application says as it connects are added to its series: where they are missing, always (then
    /// they replace its own), or never [default: missing]
    #[arg(long, value_name = "WHEN", value_parser = value::inject, help_heading = "Applications")]
    pub(super) inject_identity: Option<Inject>,

    /// What a line that Prometheus refuses costs its sender: drop-application or drop-family [default: drop-application]
    #[arg(long, value_name = "WHAT", value_parser = value::on_bad_line, help_heading = "Metrics")]
    pub(super) on_bad_line: Option<OnBadLine>,

    /// Names of series that are left out of what applications send, also beginnings of names before a *; prometheus_proxy_* always is,
    /// even where this is empty or none [default: up,ALERTS,ALERTS_FOR_STATE,scrape_*]
    #[arg(long, value_name = "NAMES", value_parser = value::reserved_names, help_heading = "Metrics")]
    pub(super) reserved_names: Option<ReservedNames>,

    /// How much text one application's metrics may be. Prometheus has no such limit by default, but the proxy's memory is bounded
    /// [default: 32MiB]
    #[arg(long, value_name = "BYTES", value_parser = value::bytes, help_heading = "Metrics")]
    pub(super) max_text_bytes: Option<usize>,

    /// How long a line may be; with unlimited, as long as the text, and likewise for the counts below [default: unlimited]
    #[arg(long, value_name = "BYTES", value_parser = value::limit_bytes, help_heading = "Metrics")]
    pub(super) max_line_bytes: Option<Limit>,

    /// How many labels a series may have [default: unlimited]
    #[arg(long, value_name = "COUNT", value_parser = value::limit_count, help_heading = "Metrics")]
    pub(super) max_labels: Option<Limit>,

    /// How many series one application's metrics may have [default: unlimited]
    #[arg(long, value_name = "COUNT", value_parser = value::limit_count, help_heading = "Metrics")]
    pub(super) max_series: Option<Limit>,

    /// How many families one application's metrics may have [default: unlimited]
    #[arg(long, value_name = "COUNT", value_parser = value::limit_count, help_heading = "Metrics")]
    pub(super) max_families: Option<Limit>,

    /// How long a frame of an application's may be [default: 16777215]
    #[arg(long, value_name = "BYTES", value_parser = value::frame_bytes, help_heading = "Applications")]
    pub(super) max_frame_bytes: Option<usize>,

    /// How long a connected application may take to introduce itself [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = value::positive_duration, help_heading = "Applications")]
    pub(super) setup_timeout: Option<Duration>,

    /// Size of the proxy's RSA key: 2048, 3072 or 4096 [default: 2048]
    #[arg(long, value_name = "BITS", value_parser = value::key_bits, help_heading = "Applications")]
    pub(super) key_bits: Option<usize>,

    #[arg(long, value_name = "WHICH", value_parser = value::rsa_backend, help_heading = "Applications", help = rsa_backend_help())]
    pub(super) rsa_backend: Option<RsaBackend>,

    /// How applications are to send metrics: encrypted, or plaintext under TLS or on loopback [default: encrypted]
    #[arg(long, value_name = "HOW", value_parser = value::envelope, help_heading = "Applications")]
    pub(super) envelope: Option<Envelope>,

    /// Which version of the envelope applications must know to be served: 1 or 2. With 2, Java clients are turned away [default: 1]
    #[arg(long, value_name = "VERSION", value_parser = value::envelope_version, help_heading = "Applications")]
    pub(super) min_envelope: Option<u8>,

    /// Allows --envelope plaintext where applications connect without TLS and not on loopback: whoever is on the way reads, and changes,
    /// their metrics [default: false]
    #[arg(
        long,
        value_name = "WHETHER",
        value_parser = value::switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Applications"
    )]
    pub(super) insecure_plaintext: Option<bool>,

    /// A file with the proxy's private key: PKCS#8 in PEM, that nobody but its owner may read. It is made where it is missing, and read again
    /// when it changes. Without it, each start makes a key that is kept in memory alone
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "Applications")]
    pub(super) key_file: Option<PathBuf>,

    /// After how long the key is replaced by a new one, at least 10s [default: unlimited]
    #[arg(long, value_name = "TIME", value_parser = value::key_rotation, help_heading = "Applications")]
    pub(super) key_rotation: Option<LimitedTime>,

    /// How many applications' last metrics are held for the next scrapes [default: 1000]
    #[arg(long, value_name = "COUNT", value_parser = value::count, help_heading = "Pushes")]
    pub(super) max_held_pushes: Option<usize>,

    /// How many bytes, compressed, they may be together; otherwise an eighth of --max-memory [default: 24MiB]
    #[arg(long, value_name = "BYTES", value_parser = value::bytes, help_heading = "Pushes")]
    pub(super) max_held_push_bytes: Option<usize>,

    /// How many times a second one application may push over a longer time; it may push five times as often at once [default: 10]
    #[arg(long, value_name = "COUNT", value_parser = value::positive_count, help_heading = "Pushes")]
    pub(super) max_push_rate: Option<usize>,

    /// Which pushes of one application are kept: `last`, where a later one replaces those of which it has every series, or `all`
    /// [default: last]
    #[arg(long, value_name = "WHICH", value_parser = value::push_keep, help_heading = "Pushes")]
    pub(super) push_keep: Option<PushKeep>,

    /// A directory that holds them as well, so that they outlive the process: they are acknowledged only once they are safe there
    #[arg(long, value_name = "DIR", value_parser = value::file, help_heading = "Pushes")]
    pub(super) push_dir: Option<PathBuf>,

    /// How long they are held [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = value::positive_duration, help_heading = "Pushes")]
    pub(super) push_ttl: Option<Duration>,

    /// How much memory all connections, answers, pushes and answers to scrapes may take together, beside some 64 MiB that the program
    /// itself needs [default: 192MiB]
    #[arg(long, value_name = "BYTES", value_parser = value::bytes)]
    pub(super) max_memory: Option<usize>,

    /// How old a connection may become, give or take a tenth; then it ends right after a scrape, and its application connects again. Spreads
    /// applications anew over the proxies behind a load balancer [default: unlimited]
    #[arg(long, value_name = "TIME", value_parser = value::limit_duration, help_heading = "Applications")]
    pub(super) max_connection_age: Option<LimitedTime>,

    /// How long to go on as usual after a signal to stop, but not ready, for load balancers to notice [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Stopping")]
    pub(super) drain_delay: Option<Duration>,

    /// Over how long connections are then let go, one after the other [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Stopping")]
    pub(super) drain_spread: Option<Duration>,

    /// How long to wait then for held pushes to be scraped [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Stopping")]
    pub(super) push_linger: Option<Duration>,

    /// How long scrapes under way may go on in the end [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Stopping")]
    pub(super) shutdown_timeout: Option<Duration>,
}

fn runtime_help() -> String {
    let default = RuntimeKind::default().name();
    format!("The async runtime: tokio or smol, as far as built in [default: {default}]")
}

fn rsa_backend_help() -> String {
    let there =
        if cfg!(feature = "openssl") { "rust or openssl" } else { "rust; not built in: openssl" };
    format!(
        "Whose RSA opens what applications send: {there}; or auto, the fastest of them [default: auto]"
    )
}

const AFTER_HELP: &str = "\
Times are written like 500ms, 10s, 5m or 1h30m; bytes like 16777215, 64KiB, 8MiB or 1GiB.

Every option can be set by an environment variable too: PROMETHEUS_RSOCKET_PROXY_ and its name in capitals, such as
PROMETHEUS_RSOCKET_PROXY_LISTEN_TCP. The names of the Java proxy work as well: --server.port,
--micrometer.prometheus-proxy.tcp-port and --micrometer.prometheus-proxy.websocket-port with a port, and SERVER_PORT,
MICROMETER_PROMETHEUSPROXY_TCPPORT and MICROMETER_PROMETHEUSPROXY_WEBSOCKETPORT in the environment; --server.address and
SERVER_ADDRESS set the host of all listeners whose --listen-… option is not given.
Of its other settings, logging.level.… and server.ssl.… (PEM) are taken over, also from SPRING_APPLICATION_JSON; the rest is told and has no effect.
Options come before environment variables, and names of this program before names of the Java proxy.

`prometheus-rsocket-proxy healthcheck`, with the same options or environment, asks the proxy beside it for /-/ready: it exits with 0 if that is
ready, and with 1 if not.";
