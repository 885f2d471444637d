//! Which scrapes may be under way at once.

use event_listener::Event;
use futures_lite::future::or;
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A bounded number of scrapes, shared fairly.
///
/// * One address has at most half of the places, so that it cannot use up those of the others.
/// * A scraper loses its place to a newcomer once it has not read for [`STALL`], or has kept the proxy waiting for [`PATIENCE`] in all by reading
///   slowly; the one that has done so longest goes first. As long as there is room nobody is evicted.
#[derive(Debug)]
pub(crate) struct Admission {
    max: usize,
    table: Mutex<Table>,
    /// A place has become free.
    freed: Event,
}

#[derive(Debug, Default)]
struct Table {
    scrapes: BTreeMap<u64, Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    /// Since when the scraper has not taken the next chunk.
    stalled_since: Option<Instant>,
    /// How long it has kept the proxy waiting before.
    waited: Duration,
    evicted: Arc<Event>,
}

/// Why a scrape is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// All places are taken by scrapers that read.
    Full,
    /// This address has its share already.
    Share,
}

impl Admission {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, table: Mutex::default(), freed: Event::new() })
    }

    /// Gives a scrape a place until what is returned is dropped.
    pub(crate) fn admit(self: &Arc<Self>, now: Instant, peer: IpAddr) -> Result<Place, Refused> {
        let mut table = self.lock();
        let of_peer = table.scrapes.values().filter(|entry| entry.peer == peer).count();
        if of_peer >= self.max.div_ceil(2) {
            // Its own stalled scrape is the first to go.
            table.evict(now, Some(peer)).ok_or(Refused::Share)?;
        } else if table.scrapes.len() >= self.max {
            table.evict(now, None).ok_or(Refused::Full)?;
        }
        let id = table.next;
        table.next += 1;
        let evicted = Arc::new(Event::new());
        let entry = Entry {
            peer,
            stalled_since: None,
            waited: Duration::ZERO,
            evicted: Arc::clone(&evicted),
        };
        table.scrapes.insert(id, entry);
        Ok(Place { admission: Arc::clone(self), id, evicted })
    }

    /// The same, but waits for a place until the deadline.
    pub(crate) async fn admit_by<R: Runtime>(
        self: &Arc<Self>,
        runtime: &R,
        deadline: Instant,
        peer: IpAddr,
    ) -> Result<Place, Refused> {
        loop {
            let (listener, now) = (self.freed.listen(), runtime.now());
            let pause = match self.admit(now, peer) {
                Ok(place) => return Ok(place),
                Err(refused) if now >= deadline => return Err(refused),
                Err(_) => sleep_until(runtime, deadline.min(now + STALL)),
            };
            // By then another may have stalled for long enough.
            or(pause, listener).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Evicts the scrape that has kept the proxy waiting longest, of one address or of all.
    fn evict(&mut self, now: Instant, peer: Option<IpAddr>) -> Option<()> {
        let is_candidate = |entry: &Entry| peer.is_none_or(|peer| entry.peer == peer);
        let candidates = self.scrapes.iter().filter(|(_, entry)| is_candidate(entry));
        let slow = candidates.filter_map(|(id, entry)| Some((entry.slowness(now)?, *id)));
        let (_, id) = slow.max()?;
        self.scrapes.remove(&id)?.evicted.notify(usize::MAX);
        Some(())
    }
}

impl Entry {
    /// How long the scraper has kept the proxy waiting, if that is long enough to lose its place.
    fn slowness(&self, now: Instant) -> Option<Duration> {
        let since = self.stalled_since.unwrap_or(now);
        let stall = now.saturating_duration_since(since);
        let all = self.waited + stall;
        (stall >= STALL || all >= PATIENCE).then_some(all)
    }
}

/// The place of one scrape.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    id: u64,
    evicted: Arc<Event>,
}

impl Place {
    /// The scraper is to take a chunk from now on.
    pub(crate) fn begin_send(&self, now: Instant) {
        if let Some(entry) = self.admission.lock().scrapes.get_mut(&self.id) {
            entry.stalled_since = Some(now);
        }
    }

    /// The scraper has taken it.
    pub(crate) fn end_send(&self, now: Instant) {
        if let Some(entry) = self.admission.lock().scrapes.get_mut(&self.id)
            && let Some(since) = entry.stalled_since.take()
        {
            entry.waited += now.saturating_duration_since(since);
        }
    }

    /// Resolves once the place was given to another scrape.
    pub(crate) async fn evicted(&self) {
        loop {
            let listener = self.evicted.listen();
            if !self.admission.lock().scrapes.contains_key(&self.id) {
                return;
            }
            listener.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.lock().scrapes.remove(&self.id);
        self.admission.freed.notify(usize::MAX);
    }
}

/// How long a scraper may keep the proxy waiting at a time before it can lose its place.
pub(crate) const STALL: Duration = Duration::from_secs(1);

/// How long a scraper may keep the proxy waiting in all before it can lose its place: as long as Prometheus waits for a whole scrape by default.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::{Admission, Refused, STALL};
    use futures_lite::future::{block_on, poll_once, zip};
    use prometheus_rsocket_runtime::{Runtime, sleep_until};
    use prometheus_rsocket_smol::Smol;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    fn peer(number: u8) -> IpAddr {
        Ipv4Addr::new(127, 0, 0, number).into()
    }

    #[test]
    fn an_address_has_half_of_the_places_at_most() {
        let (admission, now) = (Admission::new(4), Instant::now());
        let first = admission.admit(now, peer(1)).unwrap();
        let _second = admission.admit(now, peer(1)).unwrap();
        assert_eq!(admission.admit(now, peer(1)).unwrap_err(), Refused::Share);
        drop(first);
        assert!(admission.admit(now, peer(1)).is_ok());
        assert!(Admission::new(1).admit(now, peer(1)).is_ok(), "the only place is for anybody");
    }

    #[test]
    fn the_scraper_that_stalls_longest_loses_its_place() {
        let (admission, now) = (Admission::new(2), Instant::now());
        let places =
            [admission.admit(now, peer(1)).unwrap(), admission.admit(now, peer(2)).unwrap()];
        places[1].begin_send(now);
        places[0].begin_send(now + Duration::from_millis(1));
        let early = now + STALL - Duration::from_millis(1);
        assert_eq!(admission.admit(early, peer(3)).unwrap_err(), Refused::Full);
        let newcomer = admission.admit(now + STALL, peer(3)).unwrap();
        block_on(places[1].evicted());
        assert!(block_on(poll_once(places[0].evicted())).is_none());
        drop(newcomer);
        // An evicted one does not take a place along when it goes.
        let _third = admission.admit(now + STALL, peer(4)).unwrap();
        drop(places);
        assert_eq!(admission.lock().scrapes.len(), 1);
    }

    #[test]
    fn who_reads_is_not_evicted() {
        let (admission, now) = (Admission::new(2), Instant::now());
        let places =
            [admission.admit(now, peer(1)).unwrap(), admission.admit(now, peer(2)).unwrap()];
        places[0].begin_send(now);
        places[0].end_send(now);
        let later = now + STALL * 60;
        assert_eq!(admission.admit(later, peer(3)).unwrap_err(), Refused::Full);
    }

    #[test]
    fn a_scraper_that_reads_little_by_little_loses_its_place_in_the_end() {
        let (admission, mut now) = (Admission::new(2), Instant::now());
        let places =
            [admission.admit(now, peer(1)).unwrap(), admission.admit(now, peer(2)).unwrap()];
        while admission.admit(now, peer(3)).is_err() {
            places[1].begin_send(now);
            now += STALL / 2;
            places[1].end_send(now);
        }
        block_on(places[1].evicted());
        assert!(block_on(poll_once(places[0].evicted())).is_none());
    }

    #[test]
    fn who_waits_gets_the_place_that_becomes_free() {
        let run = |runtime: Smol| async move {
            let admission = Admission::new(1);
            let place = admission.admit(runtime.now(), peer(1)).unwrap();
            let deadline = runtime.now() + STALL * 60;
            let waiting = admission.admit_by(&runtime, deadline, peer(2));
            let freeing = async {
                sleep_until(&runtime, runtime.now() + Duration::from_millis(10)).await;
                drop(place);
            };
            let (admitted, ()) = zip(waiting, freeing).await;
            let _admitted = admitted.unwrap();
            let refused = admission.admit_by(&runtime, runtime.now(), peer(2)).await;
            assert_eq!(refused.unwrap_err(), Refused::Share);
        };
        Smol::block_on(Some(1), run).unwrap();
    }
}
