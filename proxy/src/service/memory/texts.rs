use event_listener::{Event, EventListener};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of texts that are being worked on. Callers that need some wait for their turn, in the order of asking.
#[derive(Debug)]
pub(crate) struct TextMemory {
    max: usize,
    state: Mutex<State>,
    freed: Event,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// Callers that wait, in the order in which they came.
    waiting: BTreeSet<u64>,
    next: u64,
}

impl TextMemory {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, state: Mutex::default(), freed: Event::new() })
    }

    /// Waits for `bytes` bytes. More than there are in total means all of them.
    pub(crate) async fn take(self: &Arc<Self>, bytes: usize) -> Texts {
        let bytes = bytes.min(self.max);
        let turn = Turn::new(self);
        loop {
            let listener = self.freed.listen();
            if turn.is_up(bytes) {
                return Texts { memory: Arc::clone(self), bytes };
            }
            listener.await;
        }
    }

    /// Takes `bytes` bytes immediately, or none if they are not available or somebody waits.
    pub(crate) fn try_take(self: &Arc<Self>, bytes: usize) -> Option<Texts> {
        let bytes = bytes.min(self.max);
        let mut state = self.lock();
        if !state.waiting.is_empty() || state.used + bytes > self.max {
            return None;
        }
        state.used += bytes;
        Some(Texts { memory: Arc::clone(self), bytes })
    }

    /// Returns a listener for when [`try_take`](Self::try_take) may find more than before. Listen first, and try then.
    pub(crate) fn listen(&self) -> EventListener {
        self.freed.listen()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn in the queue. Dropping it leaves the queue, also if the wait is abandoned.
struct Turn<'a> {
    memory: &'a TextMemory,
    number: u64,
}

impl<'a> Turn<'a> {
    fn new(memory: &'a TextMemory) -> Self {
        let mut state = memory.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number);
        Turn { memory, number }
    }

    /// Takes the bytes, if it is this caller's turn and there is room. Returns whether it did.
    fn is_up(&self, bytes: usize) -> bool {
        let mut state = self.memory.lock();
        let is_first = state.waiting.first() == Some(&self.number);
        let is_up = is_first && state.used + bytes <= self.memory.max;
        if is_up {
            state.used += bytes;
        }
        is_up
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.memory.lock().waiting.remove(&self.number);
        self.memory.freed.notify(usize::MAX);
    }
}

/// Bytes that were taken. Dropping this returns them.
#[derive(Debug)]
pub(crate) struct Texts {
    memory: Arc<TextMemory>,
    bytes: usize,
}

impl Texts {
    /// Returns all but `bytes` bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let freed = self.bytes.saturating_sub(bytes);
        self.bytes -= freed;
        self.memory.lock().used -= freed;
        self.memory.freed.notify(usize::MAX);
    }
}

impl Drop for Texts {
    fn drop(&mut self) {
        self.memory.lock().used -= self.bytes;
        self.memory.freed.notify(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::TextMemory;
    use futures_lite::future::{block_on, poll_once};

    #[test]
    fn who_came_first_is_served_first_within_the_limit() {
        block_on(async {
            let memory = TextMemory::new(10);
            let first = memory.take(7).await;
            let mut second = Box::pin(memory.take(5));
            let mut third = Box::pin(memory.take(1));
            assert!(poll_once(&mut second).await.is_none());
            assert!(poll_once(&mut third).await.is_none(), "it does not overtake");
            drop(first);
            assert!(poll_once(&mut third).await.is_none());
            let mut second = poll_once(&mut second).await.unwrap();
            second.shrink(9);
            second.shrink(2);
            assert_eq!(memory.lock().used, 2);
            assert!(poll_once(&mut third).await.is_some());
            drop(second);
            assert_eq!(memory.lock().used, 0);
        });
    }

    #[test]
    fn who_does_not_wait_takes_what_is_there_and_never_overtakes() {
        block_on(async {
            let memory = TextMemory::new(10);
            let freed = memory.listen();
            let first = memory.try_take(7).unwrap();
            assert!(memory.try_take(4).is_none());
            let second = memory.try_take(3).unwrap();
            let mut waiting = Box::pin(memory.take(9));
            assert!(poll_once(&mut waiting).await.is_none());
            drop(second);
            freed.await;
            assert!(memory.try_take(1).is_none(), "somebody waits");
            drop(waiting);
            assert!(memory.try_take(3).is_some());
            drop(first);
            assert!(memory.try_take(1_000).is_some(), "all there is");
            assert_eq!(memory.lock().used, 0);
        });
    }

    #[test]
    fn more_than_there_is_goes_alone_and_who_gives_up_holds_up_nobody() {
        block_on(async {
            let memory = TextMemory::new(10);
            let one = memory.take(1).await;
            let mut huge = Box::pin(memory.take(1_000));
            let mut next = Box::pin(memory.take(2));
            assert!(poll_once(&mut huge).await.is_none());
            assert!(poll_once(&mut next).await.is_none());
            drop(huge);
            assert!(poll_once(&mut next).await.is_some());
            drop((one, next));
            let huge = memory.take(1_000).await;
            assert!(poll_once(Box::pin(memory.take(1))).await.is_none());
            drop(huge);
            assert!(memory.lock().waiting.is_empty());
        });
    }
}
