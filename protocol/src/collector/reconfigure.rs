//! Other limits in place of those that a collector began with.

use super::{Collector, Config};
use std::time::Instant;

impl Collector {
    /// Goes by other limits from now on.
    ///
    /// Nothing that is there is taken away for that, but for entries of applications that are gone: where there are more connections or pushes than
    /// the new limits allow, no others are taken until there is room. What is held keeps the time that it was given. An application that is
    /// set up is not asked again for the version of the envelope.
    ///
    /// [`key`](Config::key) ([`rekey`](Self::rekey) changes it), [`admission`](Config::admission) and [`stores_pushes`](Config::stores_pushes) stay
    /// as they are, whatever `config` says.
    pub fn reconfigure(&mut self, now: Instant, config: Config) {
        let key = std::mem::take(&mut self.config.key);
        let Config { admission, stores_pushes, .. } = self.config;
        self.config = Config { key, admission, stores_pushes, ..config };
        self.registry.trim(self.config.max_gone);
        // A shorter grace may be over already.
        self.handle_timeout(now);
    }
}
