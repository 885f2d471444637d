//! Scenarios, and the times that apply in them.

use crate::neighbours;
use prometheus_rsocket_client as client;
#[cfg(planted_faults)]
use prometheus_rsocket_protocol::planted::Fault;
use prometheus_rsocket_proxy::config::{self, Envelope, ListenAddr, RsaBackend};
use std::fmt;
use std::time::Duration;

/// A scenario. Everything else that varies follows from the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The seed of everything that is left to chance.
    pub seed: u64,
    /// The number of applications.
    pub apps: usize,
    /// How long there are faults, in simulated time. Healing and the end follow.
    pub time: Duration,
    /// How often the first scraper scrapes.
    pub interval: Duration,
    /// Whether nothing goes wrong, and only one scraper and the applications exist.
    pub calm: bool,
    /// How applications send their metrics. Making and using a key takes real time.
    pub envelope: Envelope,
    /// The fault that is planted in the proxy.
    #[cfg(planted_faults)]
    pub fault: Option<Fault>,
}

impl Scenario {
    /// Returns the default scenario of a seed: some minutes with 8 to 24 applications. Every sixteenth seed has fewer applications, encrypted.
    pub fn new(seed: u64) -> Self {
        let (apps, time, envelope) = match seed % 16 {
            15 => (5, 90, Envelope::Encrypted),
            _ => (8 + (seed % 9) as usize * 2, 240, Envelope::Plaintext),
        };
        Self {
            seed,
            apps,
            time: Duration::from_secs(time),
            interval: Duration::from_secs(5),
            calm: false,
            envelope,
            #[cfg(planted_faults)]
            fault: None,
        }
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms::new(self)
    }

    /// Returns N of the `instance="app-N"` that an application declares, if it declares anything. With some seeds, two declare the same.
    pub(crate) fn instance(&self, app: usize) -> Option<usize> {
        match app {
            _ if self.calm => Some(app),
            6 if self.seed % 4 == 2 => Some(1),
            _ if app % 5 == 4 => None,
            _ => Some(app),
        }
    }

    /// Returns whether the proxy groups families for all scrapers.
    pub(crate) fn group_families(&self) -> bool {
        !self.calm && self.seed % 3 == 1
    }

    /// Returns whether the proxy learns applications' identities from their texts.
    pub(crate) fn reads_identity(&self) -> bool {
        !self.calm && self.seed % 2 == 1
    }
}

/// The arguments that make the program simulate this again.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, apps, time, interval, .. } = self;
        let (time, interval) = (time.as_millis(), interval.as_millis());
        write!(f, "--seed {seed} --apps {apps} --time {time}ms --interval {interval}ms")?;
        let envelope = match self.envelope {
            Envelope::Encrypted => "encrypted",
            Envelope::Plaintext => "plaintext",
        };
        write!(f, " --envelope {envelope}")?;
        if self.calm {
            f.write_str(" --calm")?;
        }
        #[cfg(planted_faults)]
        if let Some(fault) = self.fault {
            write!(f, " --fault {}", fault.name())?;
        }
        Ok(())
    }
}

/// The times and limits of the proxy and the applications, and what follows from them.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) keepalive: Duration,
    pub(crate) lifetime: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) metrics_timeout: Duration,
    pub(crate) setup_timeout: Duration,
    pub(crate) push_ttl: Duration,
    /// How long the proxy remembers applications that have gone.
    pub(crate) grace: Duration,
    /// The time limit that a scraper names to the proxy.
    pub(crate) scrape_timeout: Duration,
    /// How long a job takes at most, anywhere.
    pub(crate) job_time: Duration,
}

impl Terms {
    fn new(scenario: &Scenario) -> Self {
        let mut rng = fastrand::Rng::with_seed(scenario.seed ^ 0x7465_726d);
        let seconds = Duration::from_secs;
        let calm = scenario.calm;
        Self {
            keepalive: if calm { seconds(20) } else { seconds(1) },
            lifetime: if calm { seconds(90) } else { seconds(rng.u64(3..=5)) },
            connect_timeout: seconds(2),
            backoff_max: seconds(2),
            metrics_timeout: seconds(8),
            setup_timeout: seconds(3),
            push_ttl: seconds(if rng.bool() { 60 } else { 7 }),
            grace: seconds(25),
            scrape_timeout: (scenario.interval * 4 / 5).clamp(seconds(1), seconds(10)),
            job_time: Duration::from_millis(rng.choice([1, 4, 10, 20]).unwrap_or(1)),
        }
    }

    /// Returns how long applications are waited for in a scrape.
    pub(crate) fn scrape_budget(&self) -> Duration {
        self.scrape_timeout - SCRAPE_OFFSET
    }

    /// Returns how long both ends of a connection may take to notice that it is dead: the silence, and closing, which takes longer than the driver's
    /// linger only if much output waits for it.
    pub(crate) fn dead_within(&self) -> Duration {
        self.keepalive + self.lifetime + CLOSE_TIMEOUT + LINGER + SLACK
    }

    /// Returns how long it takes at most until an application is connected again, whatever happened to it.
    pub(crate) fn settled_within(&self) -> Duration {
        // A pause, an attempt that is not noticed, another pause, and the handshake.
        self.dead_within() + self.backoff_max * 2 + self.connect_timeout + SLACK
    }

    /// Returns how long the proxy keeps a connection on which no SETUP arrives.
    pub(crate) fn stranger_within(&self) -> Duration {
        self.setup_timeout.max(self.lifetime) + PROXY_CLOSE_TIMEOUT + LINGER + SLACK
    }

    pub(crate) fn proxy(&self, scenario: &Scenario) -> config::Config {
        config::Config {
            listen_tcp: ListenAddr::any(RSOCKET_PORT),
            listen_websocket: ListenAddr::Off,
            listen_http: ListenAddr::any(HTTP_PORT),
            scrape_timeout_offset: SCRAPE_OFFSET,
            max_concurrent_scrapes: 16,
            // Enough for each to come back before the proxy knows that it has gone, and for strangers; fewer than a crowd has.
            max_connections: 2 * scenario.apps + 2 * neighbours::COUNT + 20,
            max_held_pushes: PUSHES_MAX,
            max_held_push_bytes: PUSH_BYTES_MAX,
            max_text_bytes: crate::text::TEXT_MAX,
            setup_timeout: self.setup_timeout,
            envelope: scenario.envelope,
            // OpenSSL draws randomness of its own.
            rsa_backend: RsaBackend::Rust,
            push_ttl: self.push_ttl,
            app_grace: self.grace,
            group_families: scenario.group_families(),
            identity_labels: if scenario.reads_identity() {
                vec!["app".to_owned()]
            } else {
                Vec::new()
            },
            ..config::Config::default()
        }
    }

    pub(crate) fn client(&self, push: client::PushMode, instance: Option<usize>) -> client::Config {
        let proxy = format!("tcp://proxy:{RSOCKET_PORT}").parse().expect("a URL");
        let mut config = client::Config::new(proxy);
        // The default is the machine's name, which must not matter.
        let labels = instance.map(|app| ("instance", format!("app-{app}")));
        config.labels = client::Labels::new(labels).expect("a label");
        config.connect_timeout = self.connect_timeout;
        config.metrics_timeout = self.metrics_timeout;
        config.agent.backoff =
            client::BackoffConfig::new(Duration::from_millis(200), self.backoff_max);
        config.agent.connection.close_timeout = CLOSE_TIMEOUT;
        config.agent.push = push;
        config.agent.push_timeout = PUSH_TIMEOUT;
        config.agent.setup.keepalive_ms = self.keepalive.as_millis() as u32;
        config.agent.setup.max_lifetime_ms = self.lifetime.as_millis() as u32;
        config
    }
}

/// How long a last push may take.
pub(crate) const PUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The proxy's port for applications.
pub(crate) const RSOCKET_PORT: u16 = 7001;
/// How many pushes the proxy holds and opens: enough for one of each application that exists, or has gone while its push is held.
pub(crate) const PUSHES_MAX: usize = 100;
/// Their bytes.
pub(crate) const PUSH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The proxy's port for scrapers.
pub(crate) const HTTP_PORT: u16 = 8080;
/// The part of a scraper's limit that the proxy keeps for the answer.
const SCRAPE_OFFSET: Duration = Duration::from_millis(500);
/// How long closing connections of applications wait for their output to be taken.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The same for the proxy's connections, which is not configured.
const PROXY_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the driver waits for the peer's end by default.
const LINGER: Duration = Duration::from_secs(2);
/// For travelling, and for the interval at which conditions are checked.
const SLACK: Duration = Duration::from_secs(1);
