use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that all bodies keep together while they are put together.
///
/// One that is alone may keep more than there is, up to [`ALONE_MAX`]: nobody else is worse off by it.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    max: usize,
    used: Mutex<usize>,
}

/// What a body may keep while there is no other one.
pub(super) const ALONE_MAX: usize = 128 * 1024 * 1024;

impl BodyMemory {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, used: Mutex::new(0) })
    }

    /// The share of one body, with nothing in it.
    pub(crate) fn share(self: &Arc<Self>) -> BodyShare {
        BodyShare { inner: Arc::new(Inner { memory: Arc::clone(self), bytes: Mutex::new(0) }) }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body keeps. It is given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct BodyShare {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    memory: Arc<BodyMemory>,
    /// Locked after `memory`.
    bytes: Mutex<usize>,
}

impl BodyShare {
    /// Takes so many bytes more. Returns whether there are as many.
    pub(crate) fn grow(&self, more: usize) -> bool {
        let mut used = self.inner.memory.lock();
        let mut own = self.inner.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let max = if *used == *own {
            self.inner.memory.max.max(ALONE_MAX)
        } else {
            self.inner.memory.max
        };
        if used.saturating_add(more) > max {
            return false;
        }
        *used += more;
        *own += more;
        true
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let own = *self.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        *self.memory.lock() -= own;
    }
}

#[cfg(test)]
mod tests {
    use super::{ALONE_MAX, BodyMemory};

    #[test]
    fn bodies_share_what_there_is() {
        let memory = BodyMemory::new(10);
        let (first, second) = (memory.share(), memory.share());
        assert!(first.grow(6) && second.grow(4));
        assert!(!first.clone().grow(1) && !second.grow(1));
        drop(second);
        assert!(first.grow(4));
        drop(first);
        assert_eq!(*memory.lock(), 0);
    }

    #[test]
    fn a_body_that_is_alone_may_keep_more() {
        let memory = BodyMemory::new(10);
        let (alone, other) = (memory.share(), memory.share());
        assert!(alone.grow(ALONE_MAX) && !alone.grow(1));
        assert!(!other.grow(1));
        drop(alone);
        assert!(other.grow(1));
    }
}
