use super::AppId;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Which push of an application's: a later one replaces the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PushId(u64);

/// Last metrics of applications, held until they are scraped or too old, and those on their way here.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    held: BTreeMap<AppId, Held>,
    expiries: BTreeSet<(Instant, PushId, AppId)>,
    /// Pushes that are being opened, by application.
    opening: BTreeMap<AppId, usize>,
    opening_total: usize,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Held {
    id: PushId,
    block: Bytes,
    expires: Instant,
}

impl Pushes {
    /// How many are held or on their way.
    pub(super) fn len(&self) -> usize {
        self.held.len() + self.opening_total
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Bytes of those held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn on_opening(&mut self, app: AppId) {
        *self.opening.entry(app).or_default() += 1;
        self.opening_total += 1;
    }

    pub(super) fn on_opened(&mut self, app: AppId) {
        if let Some(count) = self.opening.get_mut(&app) {
            *count -= 1;
            self.opening_total -= 1;
            if *count == 0 {
                self.opening.remove(&app);
            }
        }
    }

    pub(super) fn is_opening(&self, app: AppId) -> bool {
        self.opening.contains_key(&app)
    }

    /// Holds a push in place of the application's earlier one, if there is one.
    pub(super) fn insert(&mut self, app: AppId, block: Bytes, expires: Instant) {
        self.remove(app);
        let id = PushId(self.next);
        self.next += 1;
        self.bytes += block.len();
        self.expiries.insert((expires, id, app));
        self.held.insert(app, Held { id, block, expires });
    }

    pub(super) fn get(&self, app: AppId) -> Option<(PushId, Bytes)> {
        self.held.get(&app).map(|held| (held.id, held.block.clone()))
    }

    pub(super) fn apps(&self) -> impl Iterator<Item = AppId> + '_ {
        self.held.keys().copied()
    }

    /// Forgets a push that was served, unless a later one has replaced it.
    pub(super) fn remove_served(&mut self, app: AppId, id: PushId) -> bool {
        let is_same = self.held.get(&app).is_some_and(|held| held.id == id);
        is_same && self.remove(app)
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(expires, ..)| *expires)
    }

    /// Forgets one push whose time is over, and says whose.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<AppId> {
        let (_, _, app) = self.expiries.first().filter(|(expires, ..)| *expires <= now)?;
        let app = *app;
        self.remove(app);
        Some(app)
    }

    fn remove(&mut self, app: AppId) -> bool {
        let Some(held) = self.held.remove(&app) else { return false };
        self.expiries.remove(&(held.expires, held.id, app));
        self.bytes -= held.block.len();
        true
    }
}
