use std::time::{Duration, Instant};

/// Watches whether a peer keeps up with an answer. Time is an argument.
///
/// The peer may take nothing for a while. Over one answer it may keep the proxy waiting for [`PATIENCE`], and then for as long as the bytes that it
/// has taken would need at [`MIN_RATE`]. Only time during which the peer keeps the proxy waiting counts, so a slow core is not held against the peer.
#[derive(Debug)]
pub(super) struct Pace {
    stall: Duration,
    /// Since when the peer has taken nothing.
    since: Option<Instant>,
    /// How long it had kept the proxy waiting before that.
    waited: Duration,
    /// How many bytes it has taken.
    taken: u64,
}

/// Why a peer is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooSlow {
    /// It takes nothing.
    Stalled,
    /// It takes too little.
    Trickle,
}

impl Pace {
    pub(super) fn new(stall: Duration) -> Self {
        Self { stall, since: None, waited: Duration::ZERO, taken: 0 }
    }

    /// Another answer begins.
    pub(super) fn begin(&mut self) {
        *self = Self::new(self.stall);
    }

    /// The peer takes nothing at the moment. Returns until when that is tolerated.
    pub(super) fn blocked(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        since + self.stall.min(self.allowance())
    }

    /// The peer has taken something.
    pub(super) fn progressed(&mut self, now: Instant, bytes: usize) {
        self.taken += bytes as u64;
        if let Some(since) = self.since.take() {
            // Longer waits are jumps of the clock.
            self.waited += now.saturating_duration_since(since).min(self.stall);
        }
    }

    /// The tolerated time is over. If that is noticed much too late, the clock has jumped, and the peer gets another chance.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), TooSlow> {
        let late = now.saturating_duration_since(self.blocked(now));
        if late > JUMP {
            self.since = Some(now);
            return Ok(());
        }
        Err(if self.allowance() < self.stall { TooSlow::Trickle } else { TooSlow::Stalled })
    }

    fn allowance(&self) -> Duration {
        let all = PATIENCE + Duration::from_millis(self.taken * 1000 / MIN_RATE);
        all.saturating_sub(self.waited).max(Duration::from_millis(1))
    }
}

/// How long a peer may keep the proxy waiting, however little it takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rate that is demanded beyond that, in bytes per second.
const MIN_RATE: u64 = 16 * 1024;

/// How late the end of a time limit has to be noticed to count as a jump of the clock. A busy event loop is never this late.
const JUMP: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::{JUMP, Pace, TooSlow};
    use std::time::{Duration, Instant};

    const STALL: Duration = Duration::from_secs(5);

    #[test]
    fn a_peer_that_takes_nothing_has_the_time_of_a_stall() {
        let (mut pace, now) = (Pace::new(STALL), Instant::now());
        assert_eq!(pace.blocked(now), now + STALL);
        assert_eq!(pace.blocked(now + STALL / 2), now + STALL);
        pace.progressed(now + STALL / 2, 100);
        assert_eq!(pace.blocked(now + STALL), now + STALL * 2);
        assert_eq!(pace.check(now + STALL * 2), Err(TooSlow::Stalled));
    }

    #[test]
    fn a_peer_that_takes_byte_by_byte_is_given_up_in_the_end() {
        let (mut pace, mut now) = (Pace::new(STALL), Instant::now());
        let begun = now;
        while pace.blocked(now) >= now + Duration::from_secs(1) {
            now += Duration::from_secs(1);
            pace.progressed(now, 1);
        }
        assert_eq!(now - begun, Duration::from_secs(10));
        assert_eq!(pace.check(pace.since.unwrap()), Err(TooSlow::Trickle));
        pace.begin();
        assert_eq!(pace.blocked(now), now + STALL, "each answer has its own time");
    }

    #[test]
    fn a_slow_line_is_fast_enough() {
        let (mut pace, mut now) = (Pace::new(STALL), Instant::now());
        for _ in 0..1000 {
            assert!(pace.blocked(now) > now + Duration::from_secs(1));
            now += Duration::from_secs(1);
            pace.progressed(now, 20 * 1024);
        }
    }

    #[test]
    fn a_jump_of_the_clock_is_nobodys_fault() {
        let (mut pace, now) = (Pace::new(STALL), Instant::now());
        pace.blocked(now);
        let later = now + Duration::from_secs(3600);
        assert_eq!(pace.check(later), Ok(()));
        assert_eq!(pace.blocked(later), later + STALL);
        assert_eq!(pace.check(later + STALL + JUMP), Err(TooSlow::Stalled));
        let mut pace = Pace::new(STALL);
        pace.blocked(now);
        pace.progressed(later, 1);
        assert_eq!(pace.blocked(later), later + STALL);
    }
}
