use super::config::Config;
use crate::rsocket::frame::Setup;
use std::time::{Duration, Instant};

/// Decides when to send a KEEPALIVE, when to take the peer for dead, and when to pause for a peer that sends too many.
///
/// Any frame of the peer's counts as a sign of life, not only KEEPALIVE: a peer that is busy sending a long answer is not dead.
/// (rsocket-java counts KEEPALIVE alone, and has closed live connections for that reason.)
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Option<Duration>,
    lifetime: Duration,
    next_tick: Option<Instant>,
    heard: Instant,
    tick_queued: bool,
    /// Whether reading was blocked for some of the time since `heard`.
    stalled: bool,
    echoes: Echoes,
}

/// The rate limit for echoes of the peer's KEEPALIVEs: a token bucket, stored as the time at which it is full again.
#[derive(Clone, Copy, Debug)]
struct Echoes {
    /// The time after which one more echo is allowed.
    cost: Duration,
    /// The same for all echoes of a burst but one.
    tolerance: Duration,
    /// When the bucket is full again.
    paid_at: Option<Instant>,
    /// The end of the current pause in reading.
    paused_until: Option<Instant>,
}

impl KeepAlive {
    pub(super) fn client(now: Instant, setup: &Setup, config: &Config) -> Self {
        let interval = (setup.keepalive_ms != 0).then(|| millis(setup.keepalive_ms));
        let lifetime = match setup.max_lifetime_ms {
            0 => config.max_lifetime.1,
            lifetime => millis(lifetime),
        };
        Self::new(now, interval, lifetime, Echoes::new(config))
    }

    pub(super) fn server(now: Instant, setup: &Setup, config: &Config) -> Self {
        let (shortest, longest) = config.max_lifetime;
        let lifetime = match setup.max_lifetime_ms {
            0 => longest,
            asked => millis(asked).min(longest).max(shortest),
        };
        let (shortest, longest) = config.keepalive_interval;
        // If the lifetime was cut below the client's interval, only our own KEEPALIVEs make the peer answer in time.
        let longest = longest.min(lifetime / 2);
        let interval = (config.keepalive_as_server && setup.keepalive_ms != 0)
            .then(|| millis(setup.keepalive_ms).min(longest).max(shortest));
        Self::new(now, interval, lifetime, Echoes::new(config))
    }

    fn new(now: Instant, interval: Option<Duration>, lifetime: Duration, echoes: Echoes) -> Self {
        let next_tick = interval.and_then(|interval| now.checked_add(interval));
        let (heard, tick_queued, stalled) = (now, false, false);
        Self { interval, lifetime, next_tick, heard, tick_queued, stalled, echoes }
    }

    /// Starts again on a new transport.
    pub(super) fn restart(&mut self, now: Instant) {
        let echoes = Echoes { paused_until: None, ..self.echoes };
        *self = Self::new(now, self.interval, self.lifetime, echoes);
    }

    /// Notes a sign of life of the peer.
    pub(super) fn on_heard(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
        self.stalled = false;
    }

    /// Notes that reading stops because events wait for our owner. The silence that follows is not the peer's.
    pub(super) fn on_stall(&mut self) {
        self.stalled = true;
    }

    /// Whether to queue a KEEPALIVE now. At most one of ours is queued at a time, so that a peer that does not read makes
    /// nothing pile up.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let (Some(interval), Some(due)) = (self.interval, self.next_tick) else { return false };
        if due > now {
            return false;
        }
        self.next_tick = now.checked_add(interval);
        !std::mem::replace(&mut self.tick_queued, true)
    }

    /// Notes that our queued KEEPALIVE was sent.
    pub(super) fn on_tick_sent(&mut self) {
        self.tick_queued = false;
    }

    /// Notes that a KEEPALIVE of the peer's is echoed.
    pub(super) fn on_echo(&mut self, now: Instant) {
        self.echoes.on_echo(now);
    }

    /// Whether reading pauses because the peer has had too many echoes.
    pub(super) fn is_paused(&self) -> bool {
        self.echoes.paused_until.is_some()
    }

    /// The end of the current pause in reading.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.echoes.paused_until
    }

    /// Ends the pause in reading if it is over. What the peer sent meanwhile was not read, so the silence is not the peer's.
    pub(super) fn end_pause(&mut self, now: Instant) {
        if self.echoes.paused_until.take_if(|until| *until <= now).is_some() {
            self.on_heard(now);
        }
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

    /// When the peer is taken for dead. `None`, as everywhere here, if the time overflows `Instant`: never.
    pub(super) fn expiry(&self) -> Option<Instant> {
        self.heard.checked_add(self.lifetime)
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl Echoes {
    fn new(config: &Config) -> Self {
        let cost = config.keepalive_pause;
        let tolerance = cost.saturating_mul(config.keepalive_burst.saturating_sub(1));
        Self { cost, tolerance, paid_at: None, paused_until: None }
    }

    fn on_echo(&mut self, now: Instant) {
        let from = self.paid_at.map_or(now, |paid_at| paid_at.max(now));
        self.paid_at = from.checked_add(self.cost);
        let until = self.paid_at.and_then(|paid_at| paid_at.checked_sub(self.tolerance));
        self.paused_until = until.filter(|until| *until > now);
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}
