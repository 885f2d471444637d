use super::config::BackoffConfig;
use std::time::Duration;

/// Pauses that double, with jitter of a half: each lies between half and one and a half of its turn's, and within the
/// configured bounds (as Reactor's `Retry.backoff`, which the Java client uses).
#[derive(Debug)]
pub(super) struct Backoff {
    config: BackoffConfig,
    attempts: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(config: BackoffConfig, seed: u64) -> Self {
        let min = config.min.clamp(SHORTEST, LONGEST);
        let max = config.max.clamp(min, LONGEST);
        Self { config: BackoffConfig { min, max, ..config }, attempts: 0, random: seed }
    }

    /// Begins with the shortest pause again.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    pub(super) fn next(&mut self) -> Duration {
        let BackoffConfig { min, max, .. } = self.config;
        let turn =
            min.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX)).min(max);
        // From here on every turn is the longest.
        if turn < max {
            self.attempts += 1;
        }
        let shortest = min.max(turn / 2);
        let longest = max.min(turn.saturating_add(turn / 2)).max(shortest);
        shortest + (longest - shortest).mul_f64(self.share())
    }

    /// A time, give or take a tenth; at least 1 s, at most a year.
    pub(super) fn spread(&mut self, time: Duration) -> Duration {
        time.clamp(Duration::from_secs(1), LONGEST).mul_f64(0.9 + self.share() / 5.0)
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        // 53 bits, as many as a float holds exactly.
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// SplitMix64: enough to keep a thousand clients from returning in step.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// There is no hot loop, whatever is configured, and nothing that a clock could not count.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
