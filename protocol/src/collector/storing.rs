//! Pushes on their way to a disk, and back after a restart.

use super::push::{Held, Opening, PushId, Read};
use super::{Collector, PushError, PushRecord, RestoredPush};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// A push that is stored. Numbers are given out once in the life of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreId(pub(super) PushId);

/// What is to be done on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCommand {
    /// Make a push safe, and say so to [`Collector::handle_stored`].
    Keep {
        /// Which.
        id: StoreId,
        /// The push.
        record: PushRecord,
        /// When its time is over.
        expires: Instant,
    },
    /// A push that was stored, or restored, is not needed any more. Nothing is to be said of it.
    Forget {
        /// Which.
        id: StoreId,
    },
}

/// Pushes that are being stored. They count among those that are being opened.
#[derive(Debug, Default)]
pub(super) struct Storing {
    reads: BTreeMap<PushId, Read>,
    waiting: VecDeque<StoreCommand>,
}

impl Collector {
    /// Returns the next thing to be done on the disk. Nothing comes where [`Config::stores_pushes`](super::Config::stores_pushes) is off and
    /// nothing was restored. What waits here is bounded by the pushes that may be held.
    pub fn poll_store(&mut self) -> Option<StoreCommand> {
        let forgotten = |id| StoreCommand::Forget { id: StoreId(id) };
        self.storing.waiting.pop_front().or_else(|| self.pushes.pop_forgotten().map(forgotten))
    }

    /// Whether [`poll_store`](Self::poll_store) has something.
    pub fn has_store(&self) -> bool {
        !self.storing.waiting.is_empty() || self.pushes.has_forgotten()
    }

    /// A push is safe, and is held and acknowledged now; or it is not, and is refused with that reason, a short text.
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

    /// Holds a push again that an earlier process has stored, until `expires`. Its application is one that has gone, until it comes back.
    ///
    /// # Errors
    ///
    /// If there is no room for it within the limits that hold now; it is to be left where it is stored.
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
