use super::config::BackoffConfig;
use std::time::Duration;

/// Pauses that double. Each is drawn evenly between a half and five quarters of its nominal length, within the configured bounds. The first
/// nominal length is four times the shortest pause, and the first pause is drawn from one to five times the shortest. So when a proxy goes, at
/// most a quarter of its applications reach the other proxies within any interval as long as the shortest pause.
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

    /// The next pause is a first one again.
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

    /// A short pause, for a client with a push under way: one to one and a half times the shortest.
    pub(super) fn short(&mut self) -> Duration {
        let BackoffConfig { min, max, .. } = self.config;
        max.min(min.saturating_add((min / 2).mul_f64(self.share())))
    }

    /// Varies a duration by up to a tenth in either direction, after limiting it to between 1 s and one year.
    pub(super) fn spread(&mut self, time: Duration) -> Duration {
        time.clamp(Duration::from_secs(1), LONGEST).mul_f64(0.9 + self.share() / 5.0)
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        // 53 bits: as many as an `f64` holds exactly.
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// SplitMix64, which is enough to keep a thousand clients from returning in step.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The shortest pause rules out a hot loop, and the longest an overflow of `Instant`, whatever is configured.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
