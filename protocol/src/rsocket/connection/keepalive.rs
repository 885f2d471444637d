use super::config::Config;
use crate::rsocket::frame::Setup;
use std::time::{Duration, Instant};

/// Both halves of keeping a connection alive: when to send a KEEPALIVE, and when to take the peer for dead.
///
/// Any frame of the peer's counts as a sign of life, not only its KEEPALIVE: one that is busy sending a long answer is
/// not dead (rsocket-java counts KEEPALIVE alone, and has closed live connections for it).
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Option<Duration>,
    lifetime: Duration,
    next_tick: Option<Instant>,
    heard: Instant,
    tick_queued: bool,
    /// Whether nothing could be read for some of the time since `heard`.
    stalled: bool,
}

impl KeepAlive {
    pub(super) fn client(now: Instant, setup: &Setup, config: &Config) -> Self {
        let interval = (setup.keepalive_ms != 0).then(|| millis(setup.keepalive_ms));
        let lifetime = match setup.max_lifetime_ms {
            0 => config.max_lifetime.1,
            lifetime => millis(lifetime),
        };
        Self::new(now, interval, lifetime)
    }

    pub(super) fn server(now: Instant, setup: &Setup, config: &Config) -> Self {
        let (shortest, longest) = config.max_lifetime;
        let lifetime = match setup.max_lifetime_ms {
            0 => longest,
            asked => millis(asked).min(longest).max(shortest),
        };
        let (shortest, longest) = config.keepalive_interval;
        // Of a lifetime that was cut to less than the client's interval, only our own ticks bring a sign in time.
        let longest = longest.min(lifetime / 2);
        let interval = (config.keepalive_as_server && setup.keepalive_ms != 0)
            .then(|| millis(setup.keepalive_ms).min(longest).max(shortest));
        Self::new(now, interval, lifetime)
    }

    fn new(now: Instant, interval: Option<Duration>, lifetime: Duration) -> Self {
        let next_tick = interval.and_then(|interval| now.checked_add(interval));
        Self { interval, lifetime, next_tick, heard: now, tick_queued: false, stalled: false }
    }

    /// A new transport, on which all begins again.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self::new(now, self.interval, self.lifetime);
    }

    /// The peer gave a sign of life.
    pub(super) fn on_heard(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
        self.stalled = false;
    }

    /// Nothing more is read, for our owner's sake: the silence that follows is not the peer's.
    pub(super) fn on_stall(&mut self) {
        self.stalled = true;
    }

    /// Whether a KEEPALIVE is to be queued now. At most one of ours waits to be sent, so that a peer that does not read
    /// makes nothing pile up.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let (Some(interval), Some(due)) = (self.interval, self.next_tick) else { return false };
        if due > now {
            return false;
        }
        self.next_tick = now.checked_add(interval);
        !std::mem::replace(&mut self.tick_queued, true)
    }

    /// Our queued KEEPALIVE was sent.
    pub(super) fn on_tick_sent(&mut self) {
        self.tick_queued = false;
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expiry().is_some_and(|expiry| expiry <= now)
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.next_tick
    }

    /// `None`, as everywhere here, where the time is later than an `Instant` can say: never.
    pub(super) fn expiry(&self) -> Option<Instant> {
        self.heard.checked_add(self.lifetime)
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}
