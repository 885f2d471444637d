use std::time::{Duration, Instant};

/// Bounds the log lines of one kind. A fixed number pass in 10 seconds; the others are counted, and the next line that passes
/// reports their number.
#[derive(Debug, Default)]
pub struct LogThrottle {
    began_at: Option<Instant>,
    passed: u32,
    suppressed: u64,
}

impl LogThrottle {
    /// Decides whether to log now, if at most `max` lines may be logged per period. Returns `None` if not, otherwise the number
    /// of lines suppressed since the last one.
    pub fn pass(&mut self, now: Instant, max: u32) -> Option<u64> {
        if self.is_over(now) {
            self.began_at = Some(now);
            self.passed = 0;
        }
        if self.passed >= max {
            self.suppressed += 1;
            return None;
        }
        self.passed += 1;
        Some(std::mem::take(&mut self.suppressed))
    }

    /// When the period began; `None` before the first line.
    pub fn began_at(&self) -> Option<Instant> {
        self.began_at
    }

    /// Whether the next line begins a new period.
    pub fn is_over(&self, now: Instant) -> bool {
        self.began_at.is_none_or(|at| now.saturating_duration_since(at) >= PERIOD)
    }

    /// Returns the number of lines suppressed since the last one that passed.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Counts lines that were suppressed for another reason.
    pub fn suppress(&mut self, lines: u64) {
        self.suppressed += lines;
    }
}

const PERIOD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::LogThrottle;
    use crate::{Runtime, testing::Virtual};
    use std::time::Duration;

    #[test]
    fn so_many_lines_pass_per_period_and_the_next_tells_of_the_others() {
        let start = Virtual::new().now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut throttle = LogThrottle::default();
        assert!(throttle.is_over(start));
        assert_eq!(throttle.pass(at(0), 2), Some(0));
        assert_eq!(throttle.pass(at(9), 2), Some(0));
        assert_eq!(throttle.pass(at(9), 2), None);
        throttle.suppress(3);
        assert_eq!(throttle.pass(at(10), 2), Some(4));
        assert_eq!(throttle.pass(at(11), 2), Some(0));
        assert_eq!(throttle.began_at(), Some(at(10)));
    }
}
