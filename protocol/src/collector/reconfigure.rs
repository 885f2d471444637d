//! Changing the limits of a running collector.

use super::{Collector, Config};
use std::time::Instant;

impl Collector {
    /// Replaces the limits.
    ///
    /// Existing connections and pushes stay: if there are more than the new limits allow, new ones are refused until there is
    /// room. Only entries of applications that are gone are dropped. A held push keeps its time of expiry. An application that
    /// is set up stays, whatever version of the envelope is now required.
    ///
    /// [`key`](Config::key) ([`rekey`](Self::rekey) changes it), [`admission`](Config::admission) and
    /// [`stores_pushes`](Config::stores_pushes) stay as they are; `config`'s values are ignored.
    pub fn reconfigure(&mut self, now: Instant, config: Config) {
        let key = std::mem::take(&mut self.config.key);
        let Config { admission, stores_pushes, .. } = self.config;
        self.config = Config { key, admission, stores_pushes, ..config };
        self.registry.trim(self.config.max_gone);
        // With a shorter grace time, entries may have expired already.
        self.handle_timeout(now);
    }
}
