use super::{Answer, AppId, ConnectionId};
use crate::rsocket::frame::StreamId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A push. Its number shares a sequence with those of requests, so that the two can be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PushId(pub(super) u64);

/// Last metrics of applications, held until they are scraped or too old, and those on their way here. One per application is held.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    held: BTreeMap<AppId, Held>,
    owners: BTreeMap<PushId, AppId>,
    expiries: BTreeSet<(Instant, PushId)>,
    /// Those held that give way to others, the oldest first.
    yielding: BTreeSet<PushId>,
    /// Bytes of those.
    yielding_bytes: usize,
    /// Bytes of all that are held.
    bytes: usize,
    opening: BTreeMap<PushId, Opening>,
    opening_of: BTreeSet<(AppId, PushId)>,
    /// Bytes of those being opened.
    opening_bytes: usize,
}

#[derive(Debug)]
struct Held {
    id: PushId,
    answer: Answer,
    expires: Instant,
}

/// A push that is being opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) app: AppId,
    /// Where the application waits to hear of it.
    pub(super) connection: ConnectionId,
    pub(super) stream_id: Option<StreamId>,
    pub(super) bytes: usize,
}

impl Pushes {
    /// How many are held or on their way.
    pub(super) fn len(&self) -> usize {
        self.held.len() + self.opening.len()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Bytes of those held or on their way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.opening_bytes
    }

    pub(super) fn on_opening(&mut self, id: PushId, opening: Opening) {
        self.opening_bytes += opening.bytes;
        self.opening_of.insert((opening.app, id));
        self.opening.insert(id, opening);
    }

    pub(super) fn on_opened(&mut self, id: PushId) -> Option<Opening> {
        let opening = self.opening.remove(&id)?;
        self.opening_bytes -= opening.bytes;
        self.opening_of.remove(&(opening.app, id));
        Some(opening)
    }

    /// The latest of an application's pushes that are being opened.
    pub(super) fn opening(&self, app: AppId) -> Option<PushId> {
        let all = (app, PushId(0))..=(app, PushId(u64::MAX));
        self.opening_of.range(all).next_back().map(|(_, id)| *id)
    }

    /// How many of an application's pushes are being opened, and the bytes of all that it has.
    pub(super) fn share_of(&self, app: AppId) -> (usize, usize) {
        let all = (app, PushId(0))..=(app, PushId(u64::MAX));
        let opening = self.opening_of.range(all).filter_map(|(_, id)| self.opening.get(id));
        opening.fold((0, self.bytes_of(app)), |(count, bytes), opening| {
            (count + 1, bytes + opening.bytes)
        })
    }

    /// Holds a push, unless a later one of the application is held. Returns whether one of the two is dropped for it.
    pub(super) fn insert(
        &mut self,
        app: AppId,
        id: PushId,
        answer: Answer,
        expires: Instant,
    ) -> bool {
        if self.held.get(&app).is_some_and(|held| held.id > id) {
            return true;
        }
        let had_one = self.remove(app);
        self.bytes += answer.block.len();
        self.expiries.insert((expires, id));
        self.owners.insert(id, app);
        self.held.insert(app, Held { id, answer, expires });
        had_one
    }

    pub(super) fn get(&self, app: AppId) -> Option<(PushId, Answer)> {
        self.held.get(&app).map(|held| (held.id, held.answer.clone()))
    }

    /// Says whether an application's held push gives way to others.
    pub(super) fn set_yielding(&mut self, app: AppId, yields: bool) {
        let Some(held) = self.held.get(&app) else { return };
        if yields && self.yielding.insert(held.id) {
            self.yielding_bytes += held.answer.block.len();
        } else if !yields && self.yielding.remove(&held.id) {
            self.yielding_bytes -= held.answer.block.len();
        }
    }

    /// How many pushes there are that do not give way, and their bytes.
    pub(super) fn firm(&self) -> (usize, usize) {
        (self.len() - self.yielding.len(), self.bytes() - self.yielding_bytes)
    }

    /// Forgets the oldest push that gives way, and says whose it was.
    pub(super) fn pop_yielding(&mut self) -> Option<AppId> {
        let oldest = *self.yielding.first()?;
        self.remove_served(oldest)
    }

    /// Bytes of an application's held push.
    pub(super) fn bytes_of(&self, app: AppId) -> usize {
        self.held.get(&app).map_or(0, |held| held.answer.block.len())
    }

    pub(super) fn is_held(&self, app: AppId) -> bool {
        self.held.contains_key(&app)
    }

    /// Whether an application has pushes, held or being opened.
    pub(super) fn has_any(&self, app: AppId) -> bool {
        self.is_held(app) || self.opening(app).is_some()
    }

    /// Forgets a push that was served, unless it has been replaced, and says whose it was.
    pub(super) fn remove_served(&mut self, id: PushId) -> Option<AppId> {
        let app = *self.owners.get(&id)?;
        self.remove(app).then_some(app)
    }

    /// Forgets an application's push if it came before what has this number.
    pub(super) fn remove_before(&mut self, app: AppId, number: u64) -> bool {
        let is_older = self.held.get(&app).is_some_and(|held| held.id.0 < number);
        is_older && self.remove(app)
    }

    /// Gives one application's pushes to another entry, which keeps the latest. Returns whether a held one was dropped.
    pub(super) fn rename(&mut self, from: AppId, to: AppId) -> bool {
        while let Some(id) = self.opening(from) {
            self.opening_of.remove(&(from, id));
            self.opening_of.insert((to, id));
            if let Some(opening) = self.opening.get_mut(&id) {
                opening.app = to;
            }
        }
        let Some((held, other)) = self.held.get(&from).map(|held| (held.id, self.held.get(&to)))
        else {
            return false;
        };
        let had_one = other.is_some();
        if other.is_some_and(|other| other.id > held) {
            return self.remove(from);
        }
        self.remove(to);
        if let Some(moved) = self.held.remove(&from) {
            self.owners.insert(moved.id, to);
            self.held.insert(to, moved);
        }
        had_one
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// Forgets one push whose time is over, and says whose.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<AppId> {
        let (_, id) = *self.expiries.first().filter(|(expires, _)| *expires <= now)?;
        self.remove_served(id)
    }

    fn remove(&mut self, app: AppId) -> bool {
        let Some(held) = self.held.remove(&app) else { return false };
        self.expiries.remove(&(held.expires, held.id));
        self.owners.remove(&held.id);
        self.bytes -= held.answer.block.len();
        if self.yielding.remove(&held.id) {
            self.yielding_bytes -= held.answer.block.len();
        }
        true
    }
}
