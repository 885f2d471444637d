use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that bodies keep while they are assembled. Nobody waits for them: a body that finds none does without.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    max: usize,
    used: AtomicUsize,
    /// How many series the last body had.
    last_series: AtomicUsize,
}

impl BodyMemory {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, used: AtomicUsize::new(0), last_series: AtomicUsize::new(0) })
    }

    /// Returns how many series to expect in a body: as many as the last one had.
    pub(crate) fn expected_series(&self) -> usize {
        self.last_series.load(Ordering::Relaxed)
    }

    /// Notes how many series a body had.
    pub(crate) fn note_series(&self, count: usize) {
        self.last_series.store(count, Ordering::Relaxed);
    }

    /// Returns one body's part, which can grow.
    pub(crate) fn part(self: &Arc<Self>) -> BodyPart {
        BodyPart { memory: Arc::clone(self), bytes: 0 }
    }
}

/// The bytes that one body keeps. Dropping this returns them.
#[derive(Debug)]
pub(crate) struct BodyPart {
    memory: Arc<BodyMemory>,
    bytes: usize,
}

impl BodyPart {
    /// Takes more bytes, if they are available. Returns whether they were.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let BodyMemory { max, used, .. } = &*self.memory;
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| sum <= max);
        let has_grown = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if has_grown {
            self.bytes += bytes;
        }
        has_grown
    }
}

impl Drop for BodyPart {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::BodyMemory;

    #[test]
    fn parts_grow_up_to_their_sum_and_come_back() {
        let memory = BodyMemory::new(10);
        let (mut one, mut other) = (memory.part(), memory.part());
        assert!(one.grow(6) && !other.grow(5) && other.grow(4) && !one.grow(1));
        assert!(!one.grow(usize::MAX));
        drop(one);
        assert!(other.grow(6) && !other.grow(1));
    }
}
