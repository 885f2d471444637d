//! Sending a new key to applications.

use super::Hub;
use bytes::Bytes;
use std::time::Instant;

impl Hub {
    /// Makes applications seal under another key, which [`tell_key`](Self::tell_key) sends to them.
    pub(crate) fn rekey(&self, now: Instant, key: Bytes) {
        self.with(now, |state| state.collector.rekey(key));
    }

    /// Sends the latest key to up to `max` applications that do not have it. Returns whether others are left.
    pub(crate) fn tell_key(&self, now: Instant, max: usize) -> bool {
        self.with(now, |state| state.collector.tell_key(max))
    }

    /// Returns how many connections may still seal under the previous key.
    pub(crate) fn unmoved(&self) -> usize {
        self.lock().collector.unmoved()
    }
}
