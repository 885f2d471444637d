use super::config::Config;
use crate::frame::Setup;
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
}

impl KeepAlive {
    pub(super) fn client(now: Instant, setup: &Setup) -> Self {
        let interval = Duration::from_millis(u64::from(setup.keepalive_ms.max(1)));
        let lifetime = Duration::from_millis(u64::from(setup.max_lifetime_ms.max(1)));
        Self::new(now, Some(interval), lifetime)
    }

    pub(super) fn server(now: Instant, setup: &Setup, config: &Config) -> Self {
        let asked = Duration::from_millis(u64::from(setup.keepalive_ms));
        let (shortest, longest) = config.keepalive_interval;
        let interval = (config.keepalive_as_server && !asked.is_zero())
            .then(|| asked.min(longest).max(shortest));
        let (shortest, longest) = config.max_lifetime;
        let lifetime = match setup.max_lifetime_ms {
            0 => longest,
            asked => Duration::from_millis(u64::from(asked)).min(longest).max(shortest),
        };
        Self::new(now, interval, lifetime)
    }

    fn new(now: Instant, interval: Option<Duration>, lifetime: Duration) -> Self {
        let next_tick = interval.map(|interval| now + interval);
        Self { interval, lifetime, next_tick, heard: now, tick_queued: false }
    }

    /// The peer gave a sign of life.
    pub(super) fn on_heard(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
    }

    /// Whether a KEEPALIVE is to be queued now. At most one of ours waits to be sent, so that a peer that does not read
    /// makes nothing pile up.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let (Some(interval), Some(due)) = (self.interval, self.next_tick) else { return false };
        if due > now {
            return false;
        }
        self.next_tick = Some(now + interval);
        !std::mem::replace(&mut self.tick_queued, true)
    }

    /// Our queued KEEPALIVE was sent.
    pub(super) fn on_tick_sent(&mut self) {
        self.tick_queued = false;
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expiry() <= now
    }

    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.next_tick
    }

    pub(super) fn expiry(&self) -> Instant {
        self.heard + self.lifetime
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }
}
