use super::config::BackoffConfig;
use std::time::Duration;

/// Pauses that double, each evenly between a half and five quarters of its turn's, and within the configured bounds. The first turn's is
/// four times the shortest pause, and its pauses begin with that: of all applications that a proxy had, no more than a quarter come to the
/// others in any part of the time that is as long as the shortest pause.
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
        let times = 4_u32.checked_shl(self.attempts).filter(|times| *times >= 4);
        let turn = min.saturating_mul(times.unwrap_or(u32::MAX)).min(max);
        let shortest = if self.attempts == 0 { min } else { min.max(turn / 2) };
        let longest = max.min(turn.saturating_add(turn / 4)).max(shortest);
        self.attempts = self.attempts.saturating_add(1);
        shortest + (longest - shortest).mul_f64(self.share())
    }

    /// A short pause, for who has no time: up to one and a half of the shortest.
    pub(super) fn short(&mut self) -> Duration {
        let BackoffConfig { min, max, .. } = self.config;
        max.min(min.saturating_add((min / 2).mul_f64(self.share())))
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
