use std::time::{Duration, Instant};

/// The largest value of about the last two minutes.
///
/// Every value is recorded in all slots. One slot is read; at each turn it is emptied, and the next one is read. So a value is remembered for two to
/// three turns, as in Micrometer, whose dashboards read these maxima.
#[derive(Debug, Default)]
pub(super) struct WindowMax {
    slots: [f64; SLOTS],
    current: usize,
    turned_at: Option<Instant>,
}

impl WindowMax {
    pub(super) fn record(&mut self, now: Instant, value: f64) {
        self.turn(now);
        for slot in &mut self.slots {
            *slot = slot.max(value);
        }
    }

    pub(super) fn max(&mut self, now: Instant) -> f64 {
        self.turn(now);
        self.slots[self.current]
    }

    fn turn(&mut self, now: Instant) {
        let turned_at = *self.turned_at.get_or_insert(now);
        let turns = now.saturating_duration_since(turned_at).as_secs() / TURN.as_secs();
        if turns >= SLOTS as u64 {
            self.slots = [0.0; SLOTS];
            self.turned_at = Some(now);
            return;
        }
        for _ in 0..turns {
            self.slots[self.current] = 0.0;
            self.current = (self.current + 1) % SLOTS;
        }
        self.turned_at = Some(turned_at + TURN * turns as u32);
    }
}

const SLOTS: usize = 3;
const TURN: Duration = Duration::from_secs(40);
