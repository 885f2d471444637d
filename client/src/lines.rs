use prometheus_rsocket_runtime::LogThrottle;
use std::time::Instant;

/// Events by which the proxy can cause log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Connected,
    KeyRefused,
    NoMetrics,
    NotConnected,
    Report,
    Returning,
}

/// Limits the log lines that the proxy causes to 10 for each cause in 10 seconds.
#[derive(Debug, Default)]
pub(crate) struct Lines([LogThrottle; 6]);

impl Lines {
    /// Returns `None` if a line must not be logged now. Otherwise returns how many lines of that cause were suppressed since the last one, if any.
    pub(crate) fn pass(&mut self, now: Instant, cause: Cause) -> Option<Option<u64>> {
        let suppressed = self.0[cause as usize].pass(now, MAX_LINES)?;
        Some((suppressed > 0).then_some(suppressed))
    }
}

const MAX_LINES: u32 = 10;
