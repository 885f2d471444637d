use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets one log line through per period, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    passed_at: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Whether to log now, and then how many lines have not been since the last one.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::Throttle;
    use std::time::{Duration, Instant};

    #[test]
    fn one_line_per_period_passes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let throttle = Throttle::default();
        assert_eq!(throttle.pass(at(0)), Some(0));
        assert_eq!(throttle.pass(at(1)), None);
        assert_eq!(throttle.pass(at(9)), None);
        assert_eq!(throttle.pass(at(10)), Some(2));
        assert_eq!(throttle.pass(at(11)), None);
        assert_eq!(throttle.pass(at(100)), Some(1));
    }
}
