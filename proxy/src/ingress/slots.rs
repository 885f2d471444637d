use event_listener::Event;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A bounded number of places, and a way to wait until all are free again.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    taken: AtomicUsize,
    emptied: Event,
}

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: AtomicUsize::new(0), emptied: Event::new() })
    }

    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < self.max).then_some(taken + 1)
            })
            .ok()
            .map(|_| Slot { slots: Arc::clone(self) })
    }

    pub(crate) async fn wait_empty(&self) {
        while self.taken() > 0 {
            let emptied = self.emptied.listen();
            // The last place may have become free before anyone listened.
            if self.taken() > 0 {
                emptied.await;
            }
        }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

/// A place, until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.slots.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.slots.emptied.notify(usize::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;
    use futures_lite::future::{block_on, poll_once};
    use std::pin::pin;

    #[test]
    fn slots_are_bounded_and_come_back() {
        let slots = Slots::new(2);
        let first = slots.take();
        let second = slots.take();
        assert!(first.is_some() && second.is_some());
        assert!(slots.take().is_none());
        drop(first);
        assert!(slots.take().is_some());
        assert_eq!(slots.taken(), 1);
    }

    #[test]
    fn waiting_for_empty_slots_ends_with_the_last() {
        let slots = Slots::new(2);
        block_on(slots.wait_empty());
        let (first, second) = (slots.take(), slots.take());
        let mut empty = pin!(slots.wait_empty());
        assert!(block_on(poll_once(empty.as_mut())).is_none());
        drop(first);
        assert!(block_on(poll_once(empty.as_mut())).is_none());
        drop(second);
        block_on(empty);
    }
}
