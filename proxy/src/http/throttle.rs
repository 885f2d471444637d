use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets one log line through per period, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    passed_at: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Whether to log now, and then how many lines have not been since the last one.
    pub(super) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.passed_at {
            Some(at) if now.saturating_duration_since(at) < PERIOD => {
                state.suppressed += 1;
                None
            }
            _ => {
                state.passed_at = Some(now);
                Some(std::mem::take(&mut state.suppressed))
            }
        }
    }
}

const PERIOD: Duration = Duration::from_secs(10);
