use super::Pins;
use crate::envelope::AesKeySize;
use crate::rsocket::connection;
use crate::rsocket::frame::Setup;
use crate::token::Token;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How an application's side behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The limits of each connection.
    pub connection: connection::Config,
    /// The first frame of each connection; that of rsocket-java by default.
    pub setup: Setup,
    /// The token that SETUP shows beside its own metadata, which has to be composite, or none. It travels as clear as the transport is.
    pub token: Option<Token>,
    /// When to connect again.
    pub backoff: BackoffConfig,
    /// How many attempts to connect may follow one that failed before the agent gives up ([`Event::GaveUp`](super::Event::GaveUp)); without
    /// limit by default. Where there are several proxies, an attempt is made with each of them. A connection that received a key begins the count
    /// anew.
    pub max_retries: Option<u64>,
    /// The keys that metrics are sealed under; 128 bits by default, as the Java client.
    pub aes: AesKeySize,
    /// The version of the envelope that a proxy has to offer; 1 by default. The connection to one that does not is ended.
    pub min_envelope: u8,
    /// Which keys a proxy may have; any by default. The connection to one that has another is ended, and counts as one that failed.
    pub pins: Pins,
    /// How metrics are pushed: RSocket has no third way.
    pub push: PushMode,
    /// How long a push may take, from when it is asked for to the proxy's word that it is stored; 10 s by default. If there is no
    /// connection at that moment, one is sought for as long.
    pub push_timeout: Duration,
    /// How many proxies there are, in the order of preference; 1 by default. The shell knows which they are.
    pub proxies: NonZeroUsize,
    /// How long the agent stays with another than the first proxy before it has the earlier ones probed, and how long it waits after it
    /// found none; 5 minutes by default, give or take a tenth. Counts as at least 1 s.
    pub return_after: Duration,
    /// Scrapes that may be under way at once; 16 by default. One more is answered by REJECTED.
    pub max_scrapes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connection: connection::Config::default(),
            setup: Setup::default(),
            token: None,
            backoff: BackoffConfig::default(),
            max_retries: None,
            aes: AesKeySize::default(),
            min_envelope: 1,
            pins: Pins::Any,
            push: PushMode::default(),
            push_timeout: Duration::from_secs(10),
            proxies: NonZeroUsize::MIN,
            return_after: Duration::from_secs(300),
            max_scrapes: 16,
        }
    }
}

/// How metrics are pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushMode {
    /// As REQUEST_RESPONSE: the push is over once the proxy has said that it is stored. Java's `pushAndCloseBlockingly`.
    #[default]
    Acknowledged,
    /// As REQUEST_FNF: the push is over once the transport has taken it, and nothing tells whether it arrived. Java's `pushAndClose`.
    FireAndForget,
}

/// When to connect again after a connection is gone, or could not be opened. Pauses double. The first is one to five times the shortest, so
/// that not all applications of a proxy that goes come to the others at once; that of a client with a push under way is no longer than one and a
/// half of the shortest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackoffConfig {
    /// The shortest pause; 1 s by default. The original's is 10 s. Counts as at least 1 ms.
    pub min: Duration,
    /// The longest pause; 1 minute by default. The original's is 10 minutes. Counts as at least `min`, and at most a year.
    pub max: Duration,
    /// How long a connection that had received a key must have lasted for the pauses to begin with the shortest again; 10 s by
    /// default. So a proxy that accepts and closes is not asked ever faster.
    pub stable_after: Duration,
}

impl BackoffConfig {
    /// Pauses from `min` to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), ..Self::default() }
    }
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(1),
            max: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
        }
    }
}
