use event_listener::Event;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A bounded number of places, and a way to wait until all are free again.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    taken: AtomicUsize,
    emptied: Event,
}

impl Slots {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: AtomicUsize::new(0), emptied: Event::new() })
    }

    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < self.max).then_some(taken + 1)
            })
            .ok()
            .map(|_| Slot { slots: Arc::clone(self) })
    }

    pub(super) async fn wait_empty(&self) {
        while self.taken() > 0 {
            let emptied = self.emptied.listen();
            // The last place may have become free before anyone listened.
            if self.taken() > 0 {
                emptied.await;
            }
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

/// A place, until dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.slots.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.slots.emptied.notify(usize::MAX);
        }
    }
}
