use std::fmt;

/// Credit: how many payloads may be sent on a stream, 1 to 0x7FFFFFFF (Protocol.md, "Reactive Streams Semantics").
///
/// Credits add up. As in rsocket-java, the largest credit stands for any number of payloads and is never used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credit(u32);

impl Credit {
    /// Any number of payloads: 0x7FFFFFFF.
    pub const UNBOUNDED: Self = Self(0x7fff_ffff);

    /// Credit for this many payloads. Returns `None` for 0; saturates at [`UNBOUNDED`](Self::UNBOUNDED).
    pub const fn new(payloads: u32) -> Option<Self> {
        match payloads {
            0 => None,
            1..=0x7fff_ffff => Some(Self(payloads)),
            _ => Some(Self::UNBOUNDED),
        }
    }

    /// The credit as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Credit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The remaining credit for one direction of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Balance(u32);

impl Balance {
    pub(super) fn new(credit: Option<Credit>) -> Self {
        Self(credit.map_or(0, Credit::get))
    }

    pub(super) fn add(&mut self, credit: Credit) {
        self.0 = self.0.saturating_add(credit.0).min(Credit::UNBOUNDED.0);
    }

    /// Uses up credit for one payload; returns false if there was none.
    pub(super) fn take(&mut self) -> bool {
        match self.0 {
            0 => return false,
            0x7fff_ffff => {}
            _ => self.0 -= 1,
        }
        true
    }

    pub(super) fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Balance, Credit};

    fn credit(payloads: u32) -> Credit {
        Credit::new(payloads).unwrap()
    }

    #[test]
    fn credits_add_up_and_are_used_up_one_by_one() {
        let mut balance = Balance::new(None);
        assert!(!balance.take());
        balance.add(credit(1));
        balance.add(credit(2));
        assert_eq!([(); 4].map(|()| balance.take()), [true, true, true, false]);
    }

    #[test]
    fn the_largest_credit_is_never_used_up_and_never_exceeded() {
        for (first, second) in [(0x7fff_ffff, 1), (0x7fff_fffe, 1), (0x4000_0000, 0x4000_0000)] {
            let mut balance = Balance::new(Credit::new(first));
            balance.add(credit(second));
            assert!(balance.take());
            assert_eq!(balance.get(), 0x7fff_ffff);
        }
        let mut balance = Balance::new(Credit::new(0x7fff_fffe));
        assert!(balance.take());
        assert_eq!(balance.get(), 0x7fff_fffd);
    }

    #[test]
    fn no_payloads_are_no_credit_and_too_many_are_all() {
        assert_eq!(Credit::new(0), None);
        assert_eq!(Credit::new(u32::MAX), Some(Credit::UNBOUNDED));
    }
}
