//! Pushes on their way to a disk, and back after a restart.

use super::push::{Held, Opening, PushId, Read};
use super::{Collector, PushError, PushRecord, RestoredPush};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Identifies a push that is stored. Numbers are never reused by a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreId(pub(super) PushId);

/// What to do on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCommand {
    /// Make a push safe, then call [`Collector::handle_stored`].
    Keep {
        /// The push's id.
        id: StoreId,
        /// The push to store.
        record: PushRecord,
        /// When it expires.
        expires: Instant,
    },
    /// Remove a push that was stored or restored. Needs no answer.
    Forget {
        /// The push's id.
        id: StoreId,
    },
}

/// Pushes that are being stored. They count as being opened.
#[derive(Debug, Default)]
pub(super) struct Storing {
    reads: BTreeMap<PushId, Read>,
    waiting: VecDeque<StoreCommand>,
}

impl Collector {
    /// Returns the next thing to do on the disk. `None` if nothing is to be done, which is always so if
    /// [`Config::stores_pushes`](super::Config::stores_pushes) is off and nothing was restored. What waits is bounded by the limits of pushes.
    pub fn poll_store(&mut self) -> Option<StoreCommand> {
        let forgotten = |id| StoreCommand::Forget { id: StoreId(id) };
        self.storing.waiting.pop_front().or_else(|| self.pushes.pop_forgotten().map(forgotten))
    }

    /// Whether [`poll_store`](Self::poll_store) has a command.
    pub fn has_store(&self) -> bool {
        !self.storing.waiting.is_empty() || self.pushes.has_forgotten()
    }

    /// Takes the result of storing a push. If it is safe, it is held and acknowledged; otherwise it is rejected, with the reason, a short text.
    pub fn handle_stored(&mut self, now: Instant, id: StoreId, result: Result<(), String>) {
        let StoreId(push) = id;
        let Some(read) = self.storing.reads.remove(&push) else { return };
        match result {
            Ok(()) => self.settle_push(now, push, Ok(read), true),
            Err(reason) => {
                self.settle_push(now, push, Err(PushError::Store { reason }), false);
            }
        }
    }

    pub(super) fn store_push(&mut self, push: PushId, opening: &Opening, read: Read) {
        let app = self.registry.get(opening.app);
        let labels = app.map(|app| app.labels.clone()).unwrap_or_default();
        let is_said = !read.answer.injected.labels.is_empty();
        let is_proven = app.is_some_and(|app| app.source.is_proven());
        let (digest, block) = (read.sealed.digest, read.answer.block.clone());
        let record = PushRecord { labels, is_said, is_proven, digest, block };
        let (id, expires) = (StoreId(push), read.expires);
        self.storing.waiting.push_back(StoreCommand::Keep { id, record, expires });
        self.storing.reads.insert(push, read);
    }

    /// Holds a push that an earlier process stored, until `expires`. Its application counts as gone until it returns.
    ///
    /// # Errors
    ///
    /// If there is no room within the current limits. The stored push stays where it is.
    pub fn restore_push(
        &mut self,
        now: Instant,
        restored: RestoredPush,
        expires: Instant,
    ) -> Result<StoreId, PushError> {
        let RestoredPush { labels, source, answer, sealed } = restored;
        let app = self.registry.restore(now, labels, source);
        let push = PushId(self.number());
        let read = Read { answer, sealed, expires };
        let held = self.hold_push(now, push, Held::new(app, Default::default(), read, true));
        if held.is_ok() && self.pushes.get(push).is_none() {
            self.pushes.forget_stored(push);
        }
        self.pin(app);
        held.map(|_| StoreId(push))
    }
}
