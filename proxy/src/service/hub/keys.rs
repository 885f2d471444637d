//! A new key, on its way to applications.

use super::Hub;
use bytes::Bytes;
use std::time::Instant;

impl Hub {
    /// Has applications seal under another key, as [`tell_key`](Self::tell_key) sends it to them.
    pub(crate) fn rekey(&self, now: Instant, key: Bytes) {
        self.with(now, |state| state.collector.rekey(key));
    }

    /// Sends the latest key to up to `max` applications that do not have it; says whether others are left.
    pub(crate) fn tell_key(&self, now: Instant, max: usize) -> bool {
        self.with(now, |state| state.collector.tell_key(max))
    }

    /// Connections that may still seal under the key before the latest.
    pub(crate) fn unmoved(&self) -> usize {
        self.lock().collector.unmoved()
    }
}
