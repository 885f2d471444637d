use prometheus_rsocket_runtime::LogThrottle;
use std::time::Instant;

/// What the proxy can cause log lines by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Connected,
    KeyRefused,
    NoMetrics,
    NotConnected,
    Report,
    Returning,
}

/// Throttles what the proxy causes: 10 lines of each cause in 10 seconds.
#[derive(Debug, Default)]
pub(crate) struct Lines([LogThrottle; 6]);

impl Lines {
    /// Whether to log now, and then how many lines of that cause have not been logged since the last one, if any.
    pub(crate) fn pass(&mut self, now: Instant, cause: Cause) -> Option<Option<u64>> {
        let suppressed = self.0[cause as usize].pass(now, MAX_LINES)?;
        Some((suppressed > 0).then_some(suppressed))
    }
}

const MAX_LINES: u32 = 10;
