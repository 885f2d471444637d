use super::Pins;
use crate::envelope::AesKeySize;
use crate::rsocket::connection;
use crate::rsocket::frame::Setup;
use crate::token::Token;
use std::num::NonZeroUsize;
use std::time::Duration;

/// The configuration of an [`Agent`](super::Agent).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The limits of each connection.
    pub connection: connection::Config,
    /// The first frame of each connection. The default is the SETUP of rsocket-java.
    pub setup: Setup,
    /// The token that SETUP presents in addition to its own metadata, which must be composite or absent; otherwise the token is
    /// not sent. Only the transport encrypts it.
    pub token: Option<Token>,
    /// When to connect again.
    pub backoff: BackoffConfig,
    /// The number of failed attempts to connect after which the agent still tries again; one more and it gives up
    /// ([`Event::GaveUp`](super::Event::GaveUp)). Unlimited by default. With several proxies, one attempt tries each of them. A
    /// connection that ends counts as a failed attempt, too. Receiving a key resets the count.
    pub max_retries: Option<u64>,
    /// The size of the AES keys that metrics are sealed under in version 1 of the envelope; 128 bits by default, as in the Java client.
    pub aes: AesKeySize,
    /// The version of the envelope that a proxy must offer; 1 by default. The agent ends the connection to a proxy that does not.
    pub min_envelope: u8,
    /// The public keys that a proxy may have; any by default. The agent ends the connection to a proxy with another key, and
    /// counts it as a failed attempt.
    pub pins: Pins,
    /// How metrics are pushed: as a request with or without a response.
    pub push: PushMode,
    /// The time limit of a push, from the call to the proxy's acknowledgement; 10 s by default. If there is no connection, the
    /// agent tries to open one within the same limit.
    pub push_timeout: Duration,
    /// The number of proxies; 1 by default. The agent knows them only by their place in the list, in the order of preference;
    /// the shell has their addresses.
    pub proxies: NonZeroUsize,
    /// How long the agent stays with a proxy other than the first before it has the earlier ones probed, and how long it waits
    /// after none of them could be reached; 5 minutes by default. Varied by up to a tenth; counts as at least 1 s.
    pub return_after: Duration,
    /// The maximum number of scrapes under way at once; 16 by default. Further ones are answered with REJECTED.
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
    /// As REQUEST_RESPONSE: the push is over once the proxy has acknowledged that it is stored. Java's
    /// `pushAndCloseBlockingly`.
    #[default]
    Acknowledged,
    /// As REQUEST_FNF: the push is over once the transport has taken it, without knowing whether it arrived. Java's `pushAndClose`.
    FireAndForget,
}

/// When to reconnect after a connection has ended or could not be opened. Pauses double. The first is one to five times the
/// shortest, so that the applications of a proxy that goes do not all reach the others at once. With a push under way, each
/// pause is at most one and a half times the shortest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackoffConfig {
    /// The shortest pause; 1 s by default, 10 s in the Java client. Counts as at least 1 ms.
    pub min: Duration,
    /// The longest pause; 1 minute by default, 10 minutes in the Java client. Counts as at least `min` and at most one year.
    pub max: Duration,
    /// How long a connection that has received a key must last for the pauses to start again from the shortest; 10 s by
    /// default. So a proxy that accepts connections and closes them again is not tried at ever shorter intervals.
    pub stable_after: Duration,
}

impl BackoffConfig {
    /// Pauses from `min` to `max`, with the default `stable_after`. A `max` below `min` counts as `min`.
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
