//! A clock, a stream and an executor in memory, for this crate's tests. Everything is deterministic: time moves only on demand,
//! and a task is polled only after it was woken.

mod clock;
mod duplex;
mod executor;

pub(crate) use clock::Virtual;
pub(crate) use duplex::{Duplex, duplex};
pub(crate) use executor::{Runnable, Task, run};

/// Marsaglia's xorshift: small, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound.max(1)
    }
}
