//! Every setting, each in one place: its name, help, default, how it is written, and whether it can change while the proxy runs. Options,
//! variables, keys of the file and the fields of [`Config`] follow from that.

use super::balancers::{ProxyProtocol, TrustedProxies};
use super::kind::{self, Form};
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
    /// The name of its field, which the other names are made of.
    pub(super) field: &'static str,
    /// The heading in the help; empty for those that have none.
    pub(super) heading: &'static str,
    /// Lines of its help, without the default.
    pub(super) help: &'static [&'static str],
    /// What its value is called in the help.
    pub(super) value_name: &'static str,
    pub(super) form: Form,
    /// Reads a value.
    pub(super) set: fn(&mut Draft, &str) -> Result<(), String>,
    /// Writes the value as `set` reads it; `None` where nothing is set.
    pub(super) show: fn(&Config) -> Option<String>,
    pub(super) change: Change,
}

/// What becomes of a change while the proxy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It counts from then on.
    Live,
    /// It counts after a restart.
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

    /// Its help in one line, with the default.
    pub(super) fn help(&self) -> String {
        let mut help = self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        if let Some(default) = (self.show)(&Config::default()) {
            help += &format!(" [default: {default}]");
        }
        help
    }

    /// Whether a text is a value of it.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        (self.set)(&mut Draft::default(), text)
    }
}

/// What the variables of all settings begin with.
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

/// Makes [`Config`], its default and [`SETTINGS`] of one list:
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
        /// All that can be configured.
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
            form: kind::$kind.form,
            set: |draft, text| {
                draft.config.$field = (kind::$kind.parse)(text)?;
                Ok(())
            },
            show: |config| (kind::$kind.show)(&config.$field),
            change: Change::$change,
        },)+)+];
    };
}

/// Names the way of computing RSA that are built in.
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
        /// The async runtime: tokio or smol, as far as built in
        runtime: RuntimeKind = RuntimeKind::default(), RUNTIME, Restart;

        /// Run so many small example applications inside this process
        demo: usize = 0, DEMO_COUNT, Restart;

        /// What to log: off, error, warn, info, debug, trace, or filters such as info,hyper=debug
        log: String = "info".to_owned(), LOG_FILTER, Live;

        /// How to log: text, or json with one object per line
        log_format: LogFormat = LogFormat::Text, LOG_FORMAT, Restart;

        /// How much memory all connections, answers, pushes and answers to scrapes may take together, beside some 64 MiB that the program
        /// itself needs
        max_memory: usize = 192 << 20, BYTES, Restart;
    }

    "Listeners" {
        /// Where applications connect over TCP: host:port (port 0 takes any), or off
        listen_tcp: ListenAddr = ListenAddr::any(7001), LISTEN_ADDR, Restart;

        /// Where applications connect over WebSocket, likewise
        listen_websocket: ListenAddr = ListenAddr::any(8081), LISTEN_ADDR, Restart;

        /// Where Prometheus scrapes, over HTTP, likewise
        listen_http: ListenAddr = ListenAddr::any(8080), LISTEN_ADDR, Restart;

        /// Which path WebSockets are opened on, such as /rsocket; others are refused
        websocket_path: Option<String> = None, WEBSOCKET_PATH, Live;

        /// How long a TLS handshake, and then a WebSocket's opening, may take each
        handshake_timeout: Duration = Duration::from_secs(10), POSITIVE_TIME, Restart;

        /// Where the status page / is served instead of on --listen-http, with its TLS and --http-auth-file; /metrics/proxy and the health
        /// endpoints are on both
        listen_admin: ListenAddr = ListenAddr::Off, LISTEN_ADDR, Restart;

        /// The address under which Prometheus reaches this proxy, as host:port, for /sd; by default the Host of the request for /sd
        advertise_http: Option<String> = None, AUTHORITY, Restart;
    }

    "TLS" {
        /// How often all these files are read again; what changed counts for new connections
        tls_reload_interval: Duration = Duration::from_secs(10), POSITIVE_TIME, Restart;
    }

    "Admission" {
        /// TOML file with applications, the tokens and certificates by which they are known, and the labels that these give; read again
        /// when it changes (--tls-reload-interval). Others must not be able to read it
        auth_file: Option<PathBuf> = None, FILE, Restart;

        /// YAML file with those who may scrape and look at pages, in the form of Prometheus' web configuration: basic_auth_users with bcrypt
        /// hashes; beside them, bearer_tokens_sha256. /-/healthy, /-/ready and /actuator/health stay open. Read again when it changes
        http_auth_file: Option<PathBuf> = None, FILE, Restart;

        /// Turns applications away that show no credentials of --auth-file
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
        /// How long a scrape may take where the scraper does not say
        scrape_timeout: Duration = Duration::from_secs(10), POSITIVE_TIME, Live;

        /// How long it may take at most, whatever the scraper says
        scrape_timeout_max: Duration = Duration::from_secs(60), POSITIVE_TIME, Live;

        /// How much of that time is kept for putting the answer together and sending it
        scrape_timeout_offset: Duration = Duration::from_millis(500), TIME, Live;

        /// How many scrapes may render at the same time; those that wait for applications do not count
        max_concurrent_scrapes: usize = 8, POSITIVE_COUNT, Restart;

        /// How many HTTP connections may be open. Half as many scrapes may be under way
        max_http_connections: usize = 256, POSITIVE_COUNT, Restart;

        /// Whether /metrics/connected ends with the state of every application, prometheus_proxy_app_*: on or off
        app_metrics: bool = true, SWITCH, Live;

        /// How much work gzip takes on to make answers smaller, 1 to 9
        gzip_level: u32 = gzip::LEVEL, GZIP_LEVEL, Live;

        /// Writes one HELP and one TYPE per family over all applications, for strict parsers; OpenMetrics is always grouped
        group_families: bool = false, FLAG, Live;
    }

    "Applications" {
        /// How many applications may be connected
        max_connections: usize = 10_000, POSITIVE_COUNT, Live;

        /// How long an application that has gone stays listed, for it to come back to and for alerts to fire
        app_grace: Duration = Duration::from_secs(300), TIME, Live;

        /// How many applications that have gone stay listed; beyond it, those that went first are forgotten early
        max_gone_applications: usize = 10_000, COUNT, Live;

        /// Labels that identify an application by its metrics, such as application,instance
        identity_labels: Vec<String> = Vec::new(), LABEL_NAMES, Live;

        /// When labels that an application says as it connects are added to its series: where they are missing, always (then
        /// they replace its own), or never
        inject_identity: Inject = Inject::Missing, INJECT, Live;

        /// How long a frame of an application's may be
        max_frame_bytes: usize = 0xff_ffff, FRAME_BYTES, Live;

        /// How long a connected application may take to introduce itself
        setup_timeout: Duration = Duration::from_secs(60), POSITIVE_TIME, Live;

        /// Size of the proxy's RSA key: 2048, 3072 or 4096
        key_bits: usize = 2048, KEY_BITS, Restart;

        #[doc = concat!(" Whose RSA opens what applications send: ", built_in!(), "; or auto, the fastest of them")]
        rsa_backend: RsaBackend = RsaBackend::Auto, RSA_BACKEND, Restart;

        /// How applications are to send metrics: encrypted, or plaintext under TLS or on loopback
        envelope: Envelope = Envelope::Encrypted, ENVELOPE, Restart;

        /// Which version of the envelope applications must know to be served: 1 or 2. With 2, Java clients are turned away
        min_envelope: u8 = 1, ENVELOPE_VERSION, Live;

        /// Allows --envelope plaintext where applications connect without TLS and not on loopback: whoever is on the way reads, and changes,
        /// their metrics
        insecure_plaintext: bool = false, FLAG, Restart;

        /// A file with the proxy's private key: PKCS#8 in PEM, that nobody but its owner may read. It is made where it is missing, and read again
        /// when it changes. Without it, each start makes a key that is kept in memory alone
        key_file: Option<PathBuf> = None, FILE, Restart;

        /// After how long the key is replaced by a new one, at least 10s
        key_rotation: Option<Duration> = None, KEY_ROTATION, Restart;

        /// How old a connection may become, give or take a tenth; then it ends right after a scrape, and its application connects again. Spreads
        /// applications anew over the proxies behind a load balancer
        max_connection_age: Option<Duration> = None, TIME_LIMIT, Live;
    }

    "Metrics" {
        /// What a line that Prometheus refuses costs its sender: drop-application or drop-family
        on_bad_line: OnBadLine = OnBadLine::DropApplication, ON_BAD_LINE, Live;

        /// Names of series that are left out of what applications send, also beginnings of names before a *; prometheus_proxy_* always is,
        /// even where this is empty or none
        reserved_names: ReservedNames = ReservedNames::default(), RESERVED_NAMES, Live;

        /// How much text one application's metrics may be. Prometheus has no such limit by default, but the proxy's memory is bounded
        max_text_bytes: usize = 32 << 20, BYTES, Live;

        /// How long a line may be; with unlimited, as long as the text, and likewise for the counts below
        max_line_bytes: Option<usize> = None, BYTES_LIMIT, Live;

        /// How many labels a series may have
        max_labels: Option<usize> = None, COUNT_LIMIT, Live;

        /// How many series one application's metrics may have
        max_series: Option<usize> = None, COUNT_LIMIT, Live;

        /// How many families one application's metrics may have
        max_families: Option<usize> = None, COUNT_LIMIT, Live;
    }

    "Pushes" {
        /// How many applications' last metrics are held for the next scrapes
        max_held_pushes: usize = 1000, COUNT, Live;

        /// How many bytes, compressed, they may be together; otherwise an eighth of --max-memory
        max_held_push_bytes: usize = 24 << 20, BYTES, Live;

        /// How many times a second one application may push over a longer time; it may push five times as often at once
        max_push_rate: usize = 10, POSITIVE_COUNT, Live;

        /// Which pushes of one application are kept: `last`, where a later one replaces those of which it has every series, or `all`
        push_keep: PushKeep = PushKeep::Last, PUSH_KEEP, Live;

        /// A directory that holds them as well, so that they outlive the process: they are acknowledged only once they are safe there
        push_dir: Option<PathBuf> = None, DIRECTORY, Restart;

        /// How long they are held
        push_ttl: Duration = Duration::from_secs(300), POSITIVE_TIME, Live;
    }

    "Stopping" {
        /// How long to go on as usual after a signal to stop, but not ready, for load balancers to notice
        drain_delay: Duration = Duration::ZERO, TIME, Live;

        /// Over how long connections are then let go, one after the other
        drain_spread: Duration = Duration::ZERO, TIME, Live;

        /// How long to wait then for held pushes to be scraped
        push_linger: Duration = Duration::ZERO, TIME, Live;

        /// How long scrapes under way may go on in the end
        shutdown_timeout: Duration = Duration::from_secs(15), TIME, Restart;
    }

    beside {
        /// TLS where applications connect over TCP; without it, the connections are plain. It is of no effect on a listener
        /// that is off.
        tcp_tls: Option<ServerTlsFiles> = None;
        /// TLS where applications connect over WebSocket, likewise.
        websocket_tls: Option<ServerTlsFiles> = None;
        /// TLS where Prometheus scrapes, likewise.
        http_tls: Option<ServerTlsFiles> = None;
        /// How many connections beyond [`max_connections`](Self::max_connections) wait at once to be told that there is no place for them.
        max_turned_away: usize = 256;
        /// What is set by a name of the original's, or has no effect although it looks as if it were meant to, one sentence each.
        warnings: Vec<String> = Vec::new();
    }
}
