use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

/// Future events in the order of time; events at the same time in the order of insertion.
#[derive(Default)]
pub(crate) struct Agenda {
    entries: BTreeMap<Key, Due>,
    sequence: u64,
}

/// An entry's position.
pub(crate) type Key = (Duration, u64);

/// What to do when the time has come.
pub(crate) enum Due {
    /// Bytes arrive in one direction of a connection.
    Deliver { connection: u64, from: usize },
    /// A paused host resumes.
    Resume { host: usize },
    /// A timer of a host fires.
    Wake { host: usize, waker: Waker },
}

impl Agenda {
    pub(crate) fn put(&mut self, at: Duration, due: Due) -> Key {
        self.sequence += 1;
        let key = (at, self.sequence);
        self.entries.insert(key, due);
        key
    }

    /// Replaces a pending entry. Returns whether it was there.
    pub(crate) fn replace(&mut self, key: Key, due: Due) -> bool {
        match self.entries.get_mut(&key) {
            Some(entry) => {
                *entry = due;
                true
            }
            None => false,
        }
    }

    /// Removes the timers of a host, and returns their wakers.
    pub(crate) fn take_timers(&mut self, of: usize) -> Vec<Waker> {
        let is_its = |due: &Due| matches!(due, Due::Wake { host, .. } if *host == of);
        let its = self.entries.extract_if(.., |_, due| is_its(due));
        its.filter_map(
            |(_, due)| if let Due::Wake { waker, .. } = due { Some(waker) } else { None },
        )
        .collect()
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Due> {
        self.entries.remove(&key)
    }

    /// When the next entry is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<Due> {
        self.entries.pop_first().map(|(_, due)| due)
    }
}
