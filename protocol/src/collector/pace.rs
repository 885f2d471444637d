use std::time::{Duration, Instant};

/// The push rate of one application: a token bucket, kept as the time at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    full_at: Option<Instant>,
}

impl Pace {
    /// Takes a token and returns whether there was one. A full bucket has `burst` tokens, and `rate` tokens are added per
    /// second; 0 counts as 1.
    pub(super) fn take(&mut self, now: Instant, rate: u32, burst: u32) -> bool {
        let each = Duration::from_secs(1) / rate.max(1);
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let missing = (full_at - now).saturating_add(each);
        if missing > each.saturating_mul(burst.max(1)) {
            return false;
        }
        self.full_at = now.checked_add(missing);
        true
    }

    /// Joins the buckets of two entries that are one application: the emptier one counts.
    pub(super) fn join(&mut self, other: Self) {
        self.full_at = self.full_at.max(other.full_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_a_steady_rate() {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
        let now = Instant::now();
        let mut pace = Pace::default();
        let count = |pace: &mut Pace, now| (0..100).filter(|_| pace.take(now, 10, 50)).count();
        assert_eq!(count(&mut pace, now), 50);
        assert_eq!(count(&mut pace, now + Duration::from_millis(99)), 0);
        assert_eq!(count(&mut pace, now + Duration::from_secs(1)), 10);
        assert_eq!(count(&mut pace, now + Duration::from_secs(3600)), 50);
        let mut other = Pace::default();
        other.join(pace);
        assert_eq!(count(&mut other, now + Duration::from_secs(3600)), 0);
        // A clock that runs backwards and limits of 0 are harmless.
        assert!(!other.take(now, 10, 50));
        assert!(Pace::default().take(now, 0, 0));
    }
}
