use super::job::Sealed;
use super::scrapers::{ScraperSet, Whose};
use super::{Answer, AppId, ConnectionId, ScrapeId};
use crate::rsocket::frame::StreamId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

#[cfg(planted_faults)]
use crate::planted::{Fault, is_planted};

/// Identifies a push. Pushes and requests share one sequence of numbers, so the two can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PushId(pub(super) u64);

/// The SHA-256 that identifies a push: see [`Sealed`].
pub(super) type Digest = [u8; 32];

/// Pushes that are held, until they expire or give way, and pushes that are being opened.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    held: BTreeMap<PushId, Held>,
    held_of: BTreeSet<(AppId, PushId)>,
    expiries: BTreeSet<(Instant, PushId)>,
    /// By the digests of held pushes and of those that they have replaced.
    by_digest: BTreeSet<(Digest, PushId)>,
    /// Bytes of all held pushes.
    bytes: usize,
    /// Held pushes that some scraper has received: their number and bytes.
    had: (usize, usize),
    opening: BTreeMap<PushId, Opening>,
    opening_of: BTreeSet<(AppId, PushId)>,
    /// Bytes of the pushes being opened.
    opening_bytes: usize,
    /// Stored pushes that are no longer needed.
    forgotten: VecDeque<PushId>,
}

/// A held push.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) app: AppId,
    pub(super) answer: Answer,
    /// The fingerprints of its series, in ascending order, each once.
    pub(super) series: Arc<[u64]>,
    /// Its digest, and the remembered digests of pushes that it has replaced.
    pub(super) digests: Vec<Digest>,
    pub(super) expires: Instant,
    /// Whether it is also stored.
    pub(super) is_stored: bool,
    /// Scrapers that have received it or something later.
    pub(super) had: ScraperSet,
    /// Those of them that have received something later.
    superseded: ScraperSet,
    /// Scrapes under way, or sent, that have it or something later.
    claims: Vec<Claim>,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    whose: Whose,
    scrape: ScrapeId,
    /// Whether the scrape has something later instead of the push.
    is_later: bool,
    /// Whether the transport has taken the whole answer, so that it has probably arrived.
    is_sent: bool,
}

/// A push that is being opened or stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) app: AppId,
    /// The connection whose application waits for the result.
    pub(super) connection: ConnectionId,
    pub(super) stream_id: Option<StreamId>,
    pub(super) bytes: usize,
    /// Scrapers that have received something later.
    pub(super) superseded: ScraperSet,
}

/// A push that was opened and read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) answer: Answer,
    pub(super) sealed: Sealed,
    pub(super) expires: Instant,
}

impl Claim {
    /// Whether a scrape of `other` may not have the push as long as this one goes on.
    fn excludes(&self, other: Whose) -> bool {
        // Looks deliver nothing, so that any number of them may have the same push.
        if other == Whose::NOBODY {
            return false;
        }
        self.whose.scraper == other.scraper || self.is_later && self.whose.group == other.group
    }
}

impl Held {
    pub(super) fn new(
        app: AppId,
        superseded: ScraperSet,
        Read { answer, sealed: Sealed { digest, series, .. }, expires }: Read,
        is_stored: bool,
    ) -> Self {
        let (digests, claims) = (vec![digest], Vec::new());
        let had = superseded;
        Self { app, answer, series, digests, expires, is_stored, had, superseded, claims }
    }

    /// Whether it has all series of another push.
    fn covers(&self, other: &Self) -> bool {
        if other.series.len() > self.series.len() {
            return false;
        }
        let mut own = self.series.iter();
        other.series.iter().all(|wanted| own.by_ref().find(|it| *it >= wanted) == Some(wanted))
    }

    /// Whether no scraper has received it, or one of `lately` has not.
    fn is_missed(&self, lately: ScraperSet) -> bool {
        self.had.is_empty() || !self.had.contains_all(lately)
    }

    /// The same, where an answer that was sent counts as received.
    fn is_unsent(&self, lately: ScraperSet) -> bool {
        let mut had = self.had;
        for claim in self.claims.iter().filter(|claim| claim.is_sent) {
            had.insert(claim.whose.group);
        }
        had.is_empty() || !had.contains_all(lately)
    }

    fn len(&self) -> usize {
        self.answer.block.len()
    }
}

impl Pushes {
    /// The number of pushes held or being opened.
    pub(super) fn len(&self) -> usize {
        self.held.len() + self.opening.len()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Bytes of the pushes held or being opened.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.opening_bytes
    }

    pub(super) fn on_opening(&mut self, id: PushId, opening: Opening) {
        self.opening_bytes += opening.bytes;
        self.opening_of.insert((opening.app, id));
        self.opening.insert(id, opening);
    }

    pub(super) fn get_opening(&self, id: PushId) -> Option<Opening> {
        self.opening.get(&id).copied()
    }

    pub(super) fn on_opened(&mut self, id: PushId) -> Option<Opening> {
        let opening = self.opening.remove(&id)?;
        self.opening_bytes -= opening.bytes;
        self.opening_of.remove(&(opening.app, id));
        Some(opening)
    }

    /// The latest of an application's pushes that are being opened.
    pub(super) fn opening(&self, app: AppId) -> Option<PushId> {
        self.opening_of.range(all_of(app)).next_back().map(|(_, id)| *id)
    }

    /// The number of an application's pushes that are being opened, and their bytes.
    pub(super) fn opening_share(&self, app: AppId) -> (usize, usize) {
        let opening = self.opening_of.range(all_of(app)).filter_map(|(_, id)| self.opening.get(id));
        opening.fold((0, 0), |(count, bytes), opening| (count + 1, bytes + opening.bytes))
    }

    /// An application's held pushes, in the order of arrival.
    pub(super) fn of(&self, app: AppId) -> impl Iterator<Item = (PushId, &Held)> {
        let ids = self.held_of.range(all_of(app));
        ids.filter_map(|(_, id)| self.held.get(id).map(|held| (*id, held)))
    }

    /// All held pushes, in the order of arrival.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PushId, &Held)> {
        self.held.iter().map(|(id, held)| (*id, held))
    }

    pub(super) fn get(&self, id: PushId) -> Option<&Held> {
        self.held.get(&id)
    }

    /// Holds a push.
    pub(super) fn insert(&mut self, id: PushId, held: Held) {
        self.bytes += held.len();
        self.count_had(&held, true);
        self.expiries.insert((held.expires, id));
        self.held_of.insert((held.app, id));
        self.by_digest.extend(held.digests.iter().map(|digest| (*digest, id)));
        self.held.insert(id, held);
    }

    /// Drops a held push.
    pub(super) fn remove(&mut self, id: PushId) -> Option<Held> {
        let held = self.held.remove(&id)?;
        self.bytes -= held.len();
        self.count_had(&held, false);
        self.expiries.remove(&(held.expires, id));
        self.held_of.remove(&(held.app, id));
        for digest in &held.digests {
            self.by_digest.remove(&(*digest, id));
        }
        if held.is_stored {
            self.forgotten.push_back(id);
        }
        Some(held)
    }

    /// A stored push is not held, or no longer.
    pub(super) fn forget_stored(&mut self, id: PushId) {
        self.forgotten.push_back(id);
    }

    /// The next stored push that is no longer needed.
    pub(super) fn pop_forgotten(&mut self) -> Option<PushId> {
        self.forgotten.pop_front()
    }

    pub(super) fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
    }

    fn count_had(&mut self, held: &Held, comes: bool) {
        if held.had.is_empty() {
            return;
        }
        let (count, bytes) = self.had;
        self.had = match comes {
            true => (count + 1, bytes + held.len()),
            false => (count - 1, bytes - held.len()),
        };
    }

    /// The earlier pushes of the application that this one replaces.
    pub(super) fn covered_by(&self, id: PushId, held: &Held) -> Vec<PushId> {
        let earlier = self.of(held.app).take_while(|(other, _)| *other < id);
        earlier.filter(|(_, other)| held.covers(other)).map(|(other, _)| other).collect()
    }

    /// A later push of the application that replaces this one.
    pub(super) fn covering(&self, id: PushId, held: &Held) -> Option<PushId> {
        let mut later = self.of(held.app).skip_while(|(other, _)| *other < id);
        later.find(|(_, other)| other.covers(held)).map(|(other, _)| other)
    }

    /// Remembers the digests of a replaced push with the one that replaces it.
    pub(super) fn remember_replaced(&mut self, by: PushId, replaced: &Held) {
        let Some(held) = self.held.get_mut(&by) else { return };
        let room = MAX_DIGESTS.saturating_sub(held.digests.len());
        let remembered = replaced.digests.iter().take(room);
        self.by_digest.extend(remembered.clone().map(|digest| (*digest, by)));
        held.digests.extend(remembered);
    }

    /// The applications that hold a push with this digest, or one that has replaced it.
    pub(super) fn with_digest(&self, digest: &Digest) -> impl Iterator<Item = AppId> {
        let all = (*digest, PushId(0))..=(*digest, PushId(u64::MAX));
        self.by_digest.range(all).filter_map(|(_, id)| Some(self.held.get(id)?.app))
    }

    /// The number of pushes that no scraper has received, including those being opened, and their bytes. They never give way.
    pub(super) fn firm(&self) -> (usize, usize) {
        (self.len() - self.had.0, self.bytes() - self.had.1)
    }

    pub(super) fn is_held(&self, app: AppId) -> bool {
        self.of(app).next().is_some()
    }

    /// Whether an application has pushes that are held or being opened.
    pub(super) fn has_any(&self, app: AppId) -> bool {
        self.is_held(app) || self.opening(app).is_some()
    }

    /// Whether an application has a push that is being opened, or that no scraper or not every one of `lately` has received.
    pub(super) fn has_missed(&self, app: AppId, lately: ScraperSet) -> bool {
        self.opening(app).is_some() || self.of(app).any(|(_, held)| held.is_missed(lately))
    }

    /// The number of held pushes that no scraper has received, or not every one of `lately`.
    pub(super) fn missed(&self, lately: ScraperSet) -> usize {
        self.held.values().filter(|held| held.is_missed(lately)).count()
    }

    /// The number of those that were not even sent to such a scraper.
    pub(super) fn unsent(&self, lately: ScraperSet) -> usize {
        self.held.values().filter(|held| held.is_unsent(lately)).count()
    }

    /// The pushes of an application that a scraper is to get, in the order of arrival. Empty while another scrape is delivering
    /// any of them to this scraper, since a later push could arrive first.
    pub(super) fn due(&self, app: AppId, whose: Whose) -> Vec<PushId> {
        let is_claimed = |held: &Held| held.claims.iter().any(|claim| claim.excludes(whose));
        if self.of(app).any(|(_, held)| is_claimed(held)) {
            return Vec::new();
        }
        let has_had =
            |held: &Held| held.had.contains(whose.scraper) || held.superseded.contains(whose.group);
        self.of(app).filter(|(_, held)| !has_had(held)).map(|(id, _)| id).collect()
    }

    /// The pushes of an application, held or being opened, before this number.
    pub(super) fn before(&self, app: AppId, number: u64) -> Vec<PushId> {
        let earlier = (app, PushId(0))..(app, PushId(number));
        let held = self.held_of.range(earlier.clone());
        held.chain(self.opening_of.range(earlier)).map(|(_, id)| *id).collect()
    }

    /// A scrape has a push or something later.
    pub(super) fn claim(&mut self, id: PushId, whose: Whose, scrape: ScrapeId, is_later: bool) {
        if let Some(held) = self.held.get_mut(&id) {
            held.claims.push(Claim { whose, scrape, is_later, is_sent: false });
        }
    }

    /// The transport has taken all of a scrape that has a push.
    pub(super) fn on_sent(&mut self, id: PushId, scrape: ScrapeId) {
        let claims = self.held.get_mut(&id).into_iter().flat_map(|held| &mut held.claims);
        claims.filter(|claim| claim.scrape == scrape).for_each(|claim| claim.is_sent = true);
    }

    /// A scrape that had a push is over.
    pub(super) fn release(&mut self, id: PushId, scrape: ScrapeId) {
        if let Some(held) = self.held.get_mut(&id) {
            held.claims.retain(|claim| claim.scrape != scrape);
        }
    }

    /// A scraper has received a push or something later. Returns the push's application if it is held and this is new.
    pub(super) fn deliver(&mut self, id: PushId, whose: Whose, is_later: bool) -> Option<AppId> {
        if let Some(opening) = self.opening.get_mut(&id) {
            opening.superseded.insert(whose.group);
        }
        let held = self.held.get_mut(&id)?;
        let is_first = held.had.is_empty();
        let is_new = !held.had.contains(if is_later { whose.group } else { whose.scraper });
        held.had.insert(whose.group);
        if is_later {
            held.superseded.insert(whose.group);
        } else {
            held.had.insert(whose.scraper);
        }
        #[cfg(planted_faults)]
        if is_planted(Fault::SharedDelivery) {
            held.had = ScraperSet::all();
        }
        let (app, len) = (held.app, held.len());
        if is_first {
            self.had = (self.had.0 + 1, self.had.1 + len);
        }
        is_new.then_some(app)
    }

    /// Scrapers were forgotten, and with them what they have received.
    pub(super) fn forget_scrapers(&mut self, forgotten: ScraperSet) {
        if forgotten.is_empty() {
            return;
        }
        let mut had = (0, 0);
        for held in self.held.values_mut() {
            held.had.remove_all(forgotten);
            held.superseded.remove_all(forgotten);
            if !held.had.is_empty() {
                had = (had.0 + 1, had.1 + held.len());
            }
        }
        self.had = had;
        let opening = self.opening.values_mut();
        opening.for_each(|opening| opening.superseded.remove_all(forgotten));
    }

    /// Moves the pushes of one entry to another.
    pub(super) fn rename(&mut self, from: AppId, to: AppId) {
        while let Some(id) = self.opening(from) {
            self.opening_of.remove(&(from, id));
            self.opening_of.insert((to, id));
            if let Some(opening) = self.opening.get_mut(&id) {
                opening.app = to;
            }
        }
        let moved: Vec<PushId> = self.of(from).map(|(id, _)| id).collect();
        for id in moved {
            self.held_of.remove(&(from, id));
            self.held_of.insert((to, id));
            if let Some(held) = self.held.get_mut(&id) {
                held.app = to;
            }
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// Drops one expired push.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Held> {
        let (_, id) = *self.expiries.first().filter(|(expires, _)| *expires <= now)?;
        self.remove(id)
    }
}

fn all_of(app: AppId) -> std::ops::RangeInclusive<(AppId, PushId)> {
    (app, PushId(0))..=(app, PushId(u64::MAX))
}

/// The number of digests remembered with a push: its own, and those of the latest pushes that it has replaced.
const MAX_DIGESTS: usize = 8;
