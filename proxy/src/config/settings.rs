//! Every setting, each in one place: its name, help, default, syntax, and whether it can change while the proxy runs. Options, variables, keys of the
//! file and the fields of [`Config`] are generated from it.

use super::balancers::{ProxyProtocol, TrustedProxies};
use super::kind::{self, TomlType};
use super::log::LogFormat;
use super::tls;
use super::value::{Envelope, ListenAddr, RsaBackend, RuntimeKind};
use crate::gzip;
use prometheus_rsocket_protocol::collector::PushKeep;
use prometheus_rsocket_protocol::exposition::{Inject, OnBadLine, ReservedNames};
use prometheus_rsocket_runtime::tls::ServerTlsFiles;
use std::path::PathBuf;
use std::time::Duration;

/// One setting, whatever its type.
pub(super) struct Setting {
    /// The name of its field, from which the other names are derived.
    pub(super) field: &'static str,
    /// The heading in the help; empty for settings without one.
    pub(super) heading: &'static str,
    /// Lines of its help, without the default.
    pub(super) help: &'static [&'static str],
    /// The name of its value in the help.
    pub(super) value_name: &'static str,
    pub(super) toml_type: TomlType,
    /// Reads a value.
    pub(super) set: fn(&mut Draft, &str) -> Result<(), String>,
    /// Writes the value as `set` reads it; `None` if nothing is set.
    pub(super) show: fn(&Config) -> Option<String>,
    pub(super) change: Change,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// While the proxy runs.
    Live,
    /// After a restart.
    Restart,
}

/// A configuration that is being read.
#[derive(Clone, Default)]
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) tls: tls::Draft,
}

impl Setting {
    /// The name of the option, without its dashes, and the key of the file.
    pub(super) fn name(&self) -> String {
        self.field.replace('_', "-")
    }

    /// The name of the environment variable.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.field.to_ascii_uppercase())
    }

    /// Returns its help in one line, with the default.
    pub(super) fn help(&self) -> String {
        let mut help = self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        if let Some(default) = (self.show)(&Config::default()) {
            help += &format!(" [default: {default}]");
        }
        help
    }

    /// Checks whether a text is a valid value.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        (self.set)(&mut Draft::default(), text)
    }
}

/// The prefix of the variables of all settings.
pub(super) const PREFIX: &str = "PROMETHEUS_RSOCKET_PROXY_";

/// The headings, in the order of the help and of printed configurations.
const HEADINGS: [&str; 9] = [
    "",
    "Listeners",
    TLS,
    "Admission",
    "Load balancers",
    "Scrapes",
    "Applications",
    "Metrics",
    "Pushes",
];

pub(super) const TLS: &str = "TLS";

/// All settings, in the order of the headings.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    let of = |heading| {
        let all = tls::SETTINGS.iter().chain(SETTINGS);
        all.filter(move |setting: &&Setting| setting.heading == heading)
    };
    HEADINGS.into_iter().chain(["Stopping"]).flat_map(of)
}

/// Generates [`Config`], its default and [`SETTINGS`] from one list:
///
/// ```text
/// "Heading" {
///     /// Help.
///     field: Type = default, KIND, change;
/// }
/// ```
macro_rules! settings {
    (
        $($heading:literal {
            $($(#[doc = $help:expr])+ $field:ident: $type:ty = $default:expr, $kind:ident, $change:ident;)+
        })+
        beside {
            $($(#[doc = $doc:expr])+ $other:ident: $other_type:ty = $other_default:expr;)+
        }
    ) => {
        /// The configuration of a proxy.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $($($(#[doc = $help])+ pub $field: $type,)+)+
            $($(#[doc = $doc])+ pub $other: $other_type,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($($field: $default,)+)+ $($other: $other_default,)+ }
            }
        }

        static SETTINGS: &[Setting] = &[$($(Setting {
            field: stringify!($field),
            heading: $heading,
            help: &[$($help),+],
            value_name: kind::$kind.value_name,
            toml_type: kind::$kind.toml_type,
            set: |draft, text| {
                draft.config.$field = (kind::$kind.parse)(text)?;
                Ok(())
            },
            show: |config| (kind::$kind.show)(&config.$field),
            change: Change::$change,
        },)+)+];
    };
}

/// Names the implementations of RSA that are built in.
#[cfg(feature = "openssl")]
macro_rules! built_in {
    () => {
        "rust or openssl"
    };
}
#[cfg(not(feature = "openssl"))]
macro_rules! built_in {
    () => {
        "rust; not built in: openssl"
    };
}

settings! {
    "" {
        /// The async runtime: tokio or smol, if built in
        runtime: RuntimeKind = RuntimeKind::default(), RUNTIME, Restart;

        /// Runs this many example applications inside this process
        demo: usize = 0, DEMO_COUNT, Restart;

        /// What to log: off, error, warn, info, debug, trace, or filters such as info,hyper=debug
        log: String = "info".to_owned(), LOG_FILTER, Live;

        /// How to log: text, or json with one object per line
        log_format: LogFormat = LogFormat::Text, LOG_FORMAT, Restart;

        /// Memory for all connections, answers and pushes together, beside some 64 MiB for the program itself
        max_memory: usize = 192 << 20, BYTES, Restart;
    }

    "Listeners" {
        /// Address for applications over TCP: host:port (port 0 takes any free one), or off
        listen_tcp: ListenAddr = ListenAddr::any(7001), LISTEN_ADDR, Restart;

        /// Address for applications over WebSocket: host:port, or off
        listen_websocket: ListenAddr = ListenAddr::any(8081), LISTEN_ADDR, Restart;

        /// Address for Prometheus and the status page, over HTTP: host:port, or off
        listen_http: ListenAddr = ListenAddr::any(8080), LISTEN_ADDR, Restart;

        /// The only path on which WebSockets are accepted, such as /rsocket, or any
        websocket_path: Option<String> = None, WEBSOCKET_PATH, Live;

        /// Time limit for a TLS handshake, and again for the WebSocket handshake
        handshake_timeout: Duration = Duration::from_secs(10), POSITIVE_TIME, Restart;

        /// Address for the status page in place of --listen-http, with its TLS and --http-auth-file; /metrics/proxy and the health endpoints
        /// are on both
        listen_admin: ListenAddr = ListenAddr::Off, LISTEN_ADDR, Restart;

        /// Address under which Prometheus reaches this proxy, as host:port, for /sd; by default the Host of the request for /sd
        advertise_http: Option<String> = None, AUTHORITY, Restart;
    }

    "TLS" {
        /// How often the files of TLS and credentials and the file of --config are checked for changes; new connections use what has changed
        tls_reload_interval: Duration = Duration::from_secs(10), POSITIVE_TIME, Restart;
    }

    "Admission" {
        /// TOML file with applications, their tokens and certificates, and the labels that these give; read again when it changes
        /// (--tls-reload-interval). Others must not be able to read it
        auth_file: Option<PathBuf> = None, FILE, Restart;

        /// YAML file with the users who may scrape and see the status page, in the format of Prometheus' web configuration: basic_auth_users with
        /// bcrypt hashes; beside them, bearer_tokens_sha256. /-/healthy, /-/ready and /actuator/health stay open. Read again when it changes
        http_auth_file: Option<PathBuf> = None, FILE, Restart;

        /// Refuses applications that present no credentials of --auth-file
        require_identity: bool = false, FLAG, Live;
    }

    "Load balancers" {
        /// Whether connections of applications begin with a header of the PROXY protocol, version 1 or 2: off; optional, where those from
        /// --trusted-proxies may; or required, where all must, and must come from there
        proxy_protocol: ProxyProtocol = ProxyProtocol::Off, PROXY_PROTOCOL, Restart;

        /// Addresses and networks of load balancers, such as 10.0.0.0/8,::1, whose PROXY headers are read and whose X-Forwarded-For is
        /// believed where applications open WebSockets; or none
        trusted_proxies: TrustedProxies = TrustedProxies::default(), NETWORKS, Restart;
    }

    "Scrapes" {
        /// Time limit of a scrape whose scraper names none
        scrape_timeout: Duration = Duration::from_secs(10), POSITIVE_TIME, Live;

        /// Upper bound for the time limit that a scraper asks for
        scrape_timeout_max: Duration = Duration::from_secs(60), POSITIVE_TIME, Live;

        /// Part of the time limit that is kept for assembling and sending the answer
        scrape_timeout_offset: Duration = Duration::from_millis(500), TIME, Live;

        /// Scrapes that may render at the same time; those that wait for applications do not count
        max_concurrent_scrapes: usize = 8, POSITIVE_COUNT, Restart;

        /// HTTP connections that may be open. Half as many scrapes may be under way
        max_http_connections: usize = 256, POSITIVE_COUNT, Restart;

        /// Whether /metrics/connected ends with the state of every application, prometheus_proxy_app_*: on or off
        app_metrics: bool = true, SWITCH, Live;

        /// Effort of gzip, 1 to 9
        gzip_level: u32 = gzip::LEVEL, GZIP_LEVEL, Live;

        /// Writes one HELP and one TYPE per family over all applications, for strict parsers; OpenMetrics is always grouped
        group_families: bool = false, FLAG, Live;
    }

    "Applications" {
        /// Applications that may be connected
        max_connections: usize = 10_000, POSITIVE_COUNT, Live;

        /// How long an application that has gone stays listed, so that it can come back and alerts can fire
        app_grace: Duration = Duration::from_secs(300), TIME, Live;

        /// Applications that have gone and stay listed; beyond it, those that went first are forgotten early
        max_gone_applications: usize = 10_000, COUNT, Live;

        /// Labels that identify an application by its metrics, such as application,instance
        identity_labels: Vec<String> = Vec::new(), LABEL_NAMES, Live;

        /// When the labels that an application declares on connecting are added to its series: missing (where the series has none of that name),
        /// always (they replace its own) or never
        inject_identity: Inject = Inject::Missing, INJECT, Live;

        /// The longest frame that an application may send
        max_frame_bytes: usize = 0xff_ffff, FRAME_BYTES, Live;

        /// Time limit for the SETUP frame of a connection
        setup_timeout: Duration = Duration::from_secs(60), POSITIVE_TIME, Live;

        /// Size of the proxy's RSA key: 2048, 3072 or 4096
        key_bits: usize = 2048, KEY_BITS, Restart;

        #[doc = concat!(" RSA implementation: ", built_in!(), "; or auto, the fastest of them")]
        rsa_backend: RsaBackend = RsaBackend::Auto, RSA_BACKEND, Restart;

        /// How applications are asked to send metrics: encrypted, or plaintext under TLS or on loopback
        envelope: Envelope = Envelope::Encrypted, ENVELOPE, Restart;

        /// The version of the envelope that applications must know: 1 or 2. With 2, Java clients are refused
        min_envelope: u8 = 1, ENVELOPE_VERSION, Live;

        /// Allows --envelope plaintext without TLS and not on loopback: anybody on the way can read and change the metrics
        insecure_plaintext: bool = false, FLAG, Restart;

        /// File with the proxy's private key (PKCS#8 in PEM) that only its owner may read; created if it is missing, and read again when it
        /// changes. Without it, each start makes a key in memory
        key_file: Option<PathBuf> = None, FILE, Restart;

        /// Age at which the key is replaced by a new one, at least 10s
        key_rotation: Option<Duration> = None, KEY_ROTATION, Restart;

        /// Age at which a connection is closed after a scrape, give or take a tenth; its application then connects again. Spreads applications
        /// anew over the proxies behind a load balancer
        max_connection_age: Option<Duration> = None, TIME_LIMIT, Live;
    }

    "Metrics" {
        /// What is dropped because of a line that Prometheus refuses: drop-application or drop-family
        on_bad_line: OnBadLine = OnBadLine::DropApplication, ON_BAD_LINE, Live;

        /// Series of applications that are dropped; a name may end with *. prometheus_proxy_* always is, even if this is none
        reserved_names: ReservedNames = ReservedNames::default(), RESERVED_NAMES, Live;

        /// The longest text of one application's metrics. Prometheus has no such limit by default, but the proxy's memory is bounded
        max_text_bytes: usize = 32 << 20, BYTES, Live;

        /// The longest line; unlimited means as long as the text. Likewise for the counts below
        max_line_bytes: Option<usize> = None, BYTES_LIMIT, Live;

        /// Labels that a series may have
        max_labels: Option<usize> = None, COUNT_LIMIT, Live;

        /// Series that one application's metrics may have
        max_series: Option<usize> = None, COUNT_LIMIT, Live;

        /// Families that one application's metrics may have
        max_families: Option<usize> = None, COUNT_LIMIT, Live;
    }

    "Pushes" {
        /// Pushes that are held at the same time
        max_held_pushes: usize = 1000, COUNT, Live;

        /// Their compressed size together; by default an eighth of --max-memory
        max_held_push_bytes: usize = 24 << 20, BYTES, Live;

        /// Pushes per second of one application over a longer time; at once, it may push five times as many
        max_push_rate: usize = 10, POSITIVE_COUNT, Live;

        /// Which pushes of one application are kept: `last`, where a later one replaces those of which it has every series, or `all`
        push_keep: PushKeep = PushKeep::Last, PUSH_KEEP, Live;

        /// Directory that also keeps pushes on disk, so that they survive a restart; a push is acknowledged once it is safe there
        push_dir: Option<PathBuf> = None, DIRECTORY, Restart;

        /// How long a push is held
        push_ttl: Duration = Duration::from_secs(300), POSITIVE_TIME, Live;
    }

    "Stopping" {
        /// Time after a stop signal to serve as before, but not ready, so that load balancers notice
        drain_delay: Duration = Duration::ZERO, TIME, Live;

        /// Time over which connections are then closed one by one
        drain_spread: Duration = Duration::ZERO, TIME, Live;

        /// Time to wait then for held pushes to be scraped
        push_linger: Duration = Duration::ZERO, TIME, Live;

        /// Time that scrapes under way may take to finish in the end
        shutdown_timeout: Duration = Duration::from_secs(15), TIME, Restart;
    }

    beside {
        /// TLS of the listener for applications over TCP. Without it, connections are plain. It has no effect if the listener is off.
        tcp_tls: Option<ServerTlsFiles> = None;
        /// TLS of the listener for applications over WebSocket, likewise.
        websocket_tls: Option<ServerTlsFiles> = None;
        /// TLS of the listener that Prometheus scrapes, likewise.
        http_tls: Option<ServerTlsFiles> = None;
        /// How many connections beyond [`max_connections`](Self::max_connections) may wait at once to be told that there is no place for them.
        max_turned_away: usize = 256;
        /// One sentence for each setting that is set by a name of the original's, or has no effect although it looks as if it were meant to.
        warnings: Vec<String> = Vec::new();
    }
}
