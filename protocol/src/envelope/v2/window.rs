/// Remembers which counters of one content key were seen, as IPsec does (RFC 4303, section 3.4.3): the highest and up to 63
/// below it. Lower ones count as seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    /// One more than the highest counter. The largest `u64` cannot be told from the one before, so it never counts as new.
    next: u64,
    /// The lowest bit stands for the highest counter.
    seen: u64,
}

impl Window {
    /// Records a counter. Returns whether it is new.
    pub(crate) fn accept(&mut self, counter: u64) -> bool {
        if counter == u64::MAX {
            return false;
        }
        match counter.checked_sub(self.next) {
            Some(ahead) => {
                // `ahead` is one less than the distance that the window moves.
                let shift = u32::try_from(ahead.saturating_add(1)).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
                self.next = counter.saturating_add(1);
                true
            }
            None => {
                let bit = self.next.saturating_sub(counter).saturating_sub(1);
                let mask = u32::try_from(bit).ok().and_then(|bit| 1_u64.checked_shl(bit));
                let is_new = mask.is_some_and(|mask| self.seen & mask == 0);
                self.seen |= mask.unwrap_or(0);
                is_new
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    /// Compared with a memory of all counters.
    #[test]
    fn each_counter_counts_once_and_old_ones_not_at_all() {
        let mut seen = std::collections::BTreeSet::new();
        let (mut window, mut state) = (Window::default(), 7_u64);
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let highest = seen.last().copied().unwrap_or(0_u64);
            let counter = (highest + 20).saturating_sub((state >> 33) % 120);
            let is_new = !seen.contains(&counter) && counter + 63 >= highest;
            assert_eq!(window.accept(counter), is_new, "{counter} after {highest}");
            if is_new {
                seen.insert(counter);
            }
        }
    }

    #[test]
    fn the_highest_counter_is_the_end() {
        let mut window = Window::default();
        assert!(window.accept(0) && window.accept(u64::MAX - 1));
        assert!(!window.accept(u64::MAX - 1) && !window.accept(0) && !window.accept(u64::MAX));
        assert!(window.accept(u64::MAX - 64) && !window.accept(u64::MAX - 65));
    }
}
