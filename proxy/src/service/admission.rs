//! Which scrapes may be under way at once, and which of them may work.

use crate::ingress::places::network;
use crate::observe::telemetry::ScrapeGivenUp;
use event_listener::Event;
use futures_lite::future::or;
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A bounded number of scrapes, shared fairly.
///
/// * Scrapes under way have a large limit, since most of them only wait for applications and hold little. One address has at most half of them.
///   Beyond that, a newcomer replaces a scrape whose scraper has not read for [`STALL`], or else one that has been under way for [`PATIENCE`] and
///   waits. The scrape in this state for longest goes first. If there is none, the newcomer is refused.
/// * A scrape needs a *place* only while it renders. There are few places. They are handed out in the order of asking, and one address has at
///   most half of them. A scrape gives its place back while it waits for applications. It also loses its place to another scrape that asks for one
///   if its scraper has not taken the next chunk for [`LEND`]. So no scraper that stalls keeps others from being served.
#[derive(Debug)]
pub(crate) struct Admission {
    max_scrapes: usize,
    max_places: usize,
    table: Mutex<Table>,
    /// Notified when a place has become free.
    freed: Event,
}

#[derive(Debug, Default)]
struct Table {
    scrapes: BTreeMap<u64, Entry>,
    /// Scrapes that wait for a place, in the order of asking.
    queue: BTreeMap<u64, u64>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    began: Instant,
    patience: Duration,
    has_place: bool,
    /// Since when the scraper has not taken the next chunk.
    stalled_since: Option<Instant>,
    notice: Arc<Notice>,
}

/// Tells a scrape that it has to end.
#[derive(Debug, Default)]
struct Notice {
    reason: OnceLock<ScrapeGivenUp>,
    event: Event,
}

impl Admission {
    /// Allows at most `max_scrapes` scrapes, of which `max_places` work at a time.
    pub(crate) fn new(max_scrapes: usize, max_places: usize) -> Arc<Self> {
        Arc::new(Self { max_scrapes, max_places, table: Mutex::default(), freed: Event::new() })
    }

    /// Lets a scrape begin. Another one may replace it once it has waited for `patience`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        now: Instant,
        peer: IpAddr,
        patience: Duration,
    ) -> Result<Admitted, ScrapeGivenUp> {
        let peer = network(peer);
        let mut table = self.lock();
        let of_peer = table.scrapes.values().filter(|entry| entry.peer == peer).count();
        if of_peer >= self.max_scrapes.div_ceil(2) {
            // A stalled scrape of the same address is the first to go.
            table.evict(now, |_, entry| entry.peer == peer).ok_or(ScrapeGivenUp::RefusedShare)?;
        } else if table.scrapes.len() >= self.max_scrapes {
            table.evict(now, |_, _| true).ok_or(ScrapeGivenUp::RefusedFull)?;
        }
        let id = table.next();
        let notice = Arc::new(Notice::default());
        let entry = Entry {
            peer,
            began: now,
            patience,
            has_place: false,
            stalled_since: None,
            notice: Arc::clone(&notice),
        };
        table.scrapes.insert(id, entry);
        drop(table);
        // An evicted scrape may have had a place.
        self.freed.notify(usize::MAX);
        Ok(Admitted { admission: Arc::clone(self), id, notice })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Evicts the scrape that has stalled for longest, or else the one that has waited for longest.
    fn evict(&mut self, now: Instant, is_candidate: impl Fn(u64, &Entry) -> bool) -> Option<()> {
        let candidates = self.scrapes.iter().filter(|(id, entry)| is_candidate(**id, entry));
        let slow = candidates.filter_map(|(id, entry)| Some((entry.slowness(now)?, *id)));
        let ((is_stalled, _), id) = slow.max()?;
        let notice = self.scrapes.remove(&id)?.notice;
        let reason = if is_stalled { ScrapeGivenUp::Stalled } else { ScrapeGivenUp::Replaced };
        let _ = notice.reason.set(reason);
        notice.event.notify(usize::MAX);
        Some(())
    }

    /// Gives a scrape a place if it is its turn. Also returns `true` if the scrape was evicted, since it needs none then.
    fn take_place(&mut self, now: Instant, ticket: u64, max: usize) -> bool {
        let Some(id) = self.queue.get(&ticket) else { return true };
        let Some(peer) = self.scrapes.get(id).map(|entry| entry.peer) else { return true };
        let earlier = self.queue.range(..ticket).filter_map(|(_, id)| self.scrapes.get(id));
        // Scrapes of an address that has its share hold up nobody else.
        if earlier
            .into_iter()
            .any(|entry| entry.peer == peer || self.has_room(now, entry.peer, max))
        {
            return false;
        }
        if !self.has_room(now, peer, max) {
            return false;
        }
        let id = *id;
        let (of_peer, all) = self.placed(peer);
        if of_peer >= max.div_ceil(2) {
            self.lend(now, Some(peer));
        } else if all >= max {
            self.lend(now, None);
        }
        if let Some(entry) = self.scrapes.get_mut(&id) {
            entry.has_place = true;
        }
        true
    }

    /// Whether an address may have another place, for which a scrape that stalls may lose its own.
    fn has_room(&self, now: Instant, peer: IpAddr, max: usize) -> bool {
        let (of_peer, all) = self.placed(peer);
        if of_peer >= max.div_ceil(2) {
            return self.lender(now, Some(peer)).is_some();
        }
        all < max || self.lender(now, None).is_some()
    }

    /// Returns how many places an address has, and how many all have.
    fn placed(&self, peer: IpAddr) -> (usize, usize) {
        let placed = self.scrapes.values().filter(|entry| entry.has_place);
        placed.fold((0, 0), |(own, all), entry| (own + usize::from(entry.peer == peer), all + 1))
    }

    fn lender(&self, now: Instant, peer: Option<IpAddr>) -> Option<u64> {
        let lends = |entry: &Entry| {
            entry.has_place
                && peer.is_none_or(|peer| entry.peer == peer)
                && entry.stall(now).is_some_and(|stall| stall >= LEND)
        };
        let lenders = self.scrapes.iter().filter(|(_, entry)| lends(entry));
        lenders.max_by_key(|(_, entry)| entry.stall(now)).map(|(id, _)| *id)
    }

    fn lend(&mut self, now: Instant, peer: Option<IpAddr>) {
        if let Some(id) = self.lender(now, peer)
            && let Some(entry) = self.scrapes.get_mut(&id)
        {
            entry.has_place = false;
        }
    }
}

impl Entry {
    fn stall(&self, now: Instant) -> Option<Duration> {
        self.stalled_since.map(|since| now.saturating_duration_since(since))
    }

    /// Returns whether the scrape may be replaced, and how urgently: whether it stalls, and for how long it has stalled or waited.
    fn slowness(&self, now: Instant) -> Option<(bool, Duration)> {
        if let Some(stall) = self.stall(now).filter(|stall| *stall >= STALL) {
            return Some((true, stall));
        }
        let all = now.saturating_duration_since(self.began);
        (!self.has_place && all >= self.patience).then_some((false, all))
    }
}

/// A scrape under way. Dropping this ends it.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    id: u64,
    notice: Arc<Notice>,
}

impl Admitted {
    /// Waits for a place, unless the scrape has one.
    pub(crate) async fn place<R: Runtime>(&self, runtime: &R) {
        let ticket = {
            let mut table = self.admission.lock();
            if table.scrapes.get(&self.id).is_none_or(|entry| entry.has_place) {
                return;
            }
            let ticket = table.next();
            table.queue.insert(ticket, self.id);
            ticket
        };
        let turn = Turn { admission: &self.admission, ticket };
        loop {
            let listener = self.admission.freed.listen();
            let now = runtime.now();
            if turn.is_up(now) {
                return;
            }
            // By then a scrape that has a place may have stalled for long enough.
            or(listener, sleep_until(runtime, now + LEND)).await;
        }
    }

    /// Gives the place back, if the scrape has one.
    pub(crate) fn leave_place(&self) {
        if let Some(entry) = self.admission.lock().scrapes.get_mut(&self.id) {
            entry.has_place = false;
        }
        self.admission.freed.notify(usize::MAX);
    }

    /// The scraper is expected to take a chunk from now on.
    pub(crate) fn begin_send(&self, now: Instant) {
        if let Some(entry) = self.admission.lock().scrapes.get_mut(&self.id) {
            entry.stalled_since = Some(now);
        }
    }

    /// The scraper has taken the chunk.
    pub(crate) fn end_send(&self) {
        if let Some(entry) = self.admission.lock().scrapes.get_mut(&self.id) {
            entry.stalled_since = None;
        }
    }

    /// Makes room by giving up another scrape that stalls, or waits for longer than usual. Returns whether there was one.
    pub(crate) fn evict_other(&self, now: Instant) -> bool {
        let mut table = self.admission.lock();
        table.evict(now, |id, _| id != self.id).is_some()
    }

    /// Resolves once the scrape has to make room for another one.
    pub(crate) async fn evicted(&self) -> ScrapeGivenUp {
        loop {
            let listener = self.notice.event.listen();
            if let Some(reason) = self.notice.reason.get() {
                return *reason;
            }
            listener.await;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.lock().scrapes.remove(&self.id);
        self.admission.freed.notify(usize::MAX);
    }
}

/// A scrape's turn in the queue for a place. Dropping it leaves the queue, also if the wait is abandoned.
struct Turn<'a> {
    admission: &'a Admission,
    ticket: u64,
}

impl Turn<'_> {
    fn is_up(&self, now: Instant) -> bool {
        self.admission.lock().take_place(now, self.ticket, self.admission.max_places)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.admission.lock().queue.remove(&self.ticket);
        // The next one may be first now.
        self.admission.freed.notify(usize::MAX);
    }
}

/// How long a scraper may keep the proxy waiting for it to read before a newcomer can replace its scrape.
const STALL: Duration = Duration::from_secs(1);

/// How long it may do so before another scrape can have its place.
const LEND: Duration = Duration::from_millis(100);

/// How long a scrape of all applications may take before a newcomer can replace it while it waits: as long as Prometheus waits by default.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The same for a scrape of a single application. If there are many of them, one that hangs is as good as down.
pub(crate) const PATIENCE_FOR_ONE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
