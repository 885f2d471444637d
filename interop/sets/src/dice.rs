//! Random choices that a seed repeats.

/// Choices of one set.
pub(crate) struct Dice {
    random: fastrand::Rng,
    /// In how many of a thousand places something odd comes instead of something usual.
    odd: u32,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that follow each other give sequences that do not.
        let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.u64(..);
        Self { random, odd: 0 }
    }

    /// Sets how often [`odd`](Self::odd) is true, in thousandths.
    pub(crate) fn set_oddity(&mut self, thousandths: u32) {
        self.odd = thousandths;
    }

    /// Whether something odd comes here.
    pub(crate) fn odd(&mut self) -> bool {
        self.random.u32(0..1000) < self.odd
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.random.u32(0..times) == 0
    }

    /// A number from 0 up to, not including, `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.random.usize(0..end)
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// One of the usual, or where something odd comes, of the others.
    pub(crate) fn pick_or_odd<'a, T: ?Sized>(&mut self, usual: &[&'a T], odd: &[&'a T]) -> &'a T {
        if self.odd() { self.pick(odd) } else { self.pick(usual) }
    }
}
