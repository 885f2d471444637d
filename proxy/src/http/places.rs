//! Places for HTTP connections: which may be open at once.

use crate::ingress::places::network;
use crate::observe::telemetry::HttpClosed;
use event_listener::Event;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A bounded number of connections, shared fairly.
///
/// * A connection on which no request is being answered makes room for a newcomer, and so does one whose peer has not read for [`STALL`]. The one
///   in this state for longest goes first. If one address has more than half of all places, one of its connections goes.
/// * If all connections are busy, a newcomer gets one of a few spare places. There it gets brief answers about the proxy's own state. With its
///   request it moves to an ordinary place, if one is free by then.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    spare: usize,
    state: Mutex<State>,
    emptied: Event,
}

#[derive(Debug, Default)]
struct State {
    /// Never more than all places, spare ones included.
    entries: BTreeMap<u64, Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    standing: Standing,
    is_spare: bool,
    notice: Arc<Notice>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No request has been answered since then: none has arrived, or not its whole head.
    Idle(Instant),
    /// A request is being answered.
    Busy,
    /// The same, but the peer has not read since then.
    Stalled(Instant),
}

/// Tells a connection that it has to close.
#[derive(Debug, Default)]
struct Notice {
    reason: OnceLock<HttpClosed>,
    event: Event,
}

impl Places {
    pub(crate) fn new(max: usize, spare: usize) -> Arc<Self> {
        Arc::new(Self { max, spare, state: Mutex::default(), emptied: Event::new() })
    }

    /// Takes a place for a connection that was just accepted; `None` if there is not even a spare one.
    pub(super) fn take(self: &Arc<Self>, now: Instant, peer: IpAddr) -> Option<Place> {
        let mut state = self.lock();
        let is_spare = !state.make_room(now, self.max);
        if is_spare && state.count(true) >= self.spare {
            state.evict(now, |entry| entry.is_spare)?;
        }
        let id = state.next;
        state.next += 1;
        let notice = Arc::new(Notice::default());
        let standing = Standing::Idle(now);
        let entry = Entry { peer: network(peer), standing, is_spare, notice: Arc::clone(&notice) };
        state.entries.insert(id, entry);
        Some(Place { places: Arc::clone(self), id, notice })
    }

    /// Returns how many connections are open.
    pub(crate) fn taken(&self) -> usize {
        self.lock().entries.len()
    }

    /// Resolves once no connection is open.
    pub(super) async fn wait_empty(&self) {
        loop {
            let emptied = self.emptied.listen();
            if self.taken() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&self, is_spare: bool) -> usize {
        self.entries.values().filter(|entry| entry.is_spare == is_spare).count()
    }

    /// Returns whether an ordinary place is free, and frees one if necessary and possible.
    fn make_room(&mut self, now: Instant, max: usize) -> bool {
        if self.count(false) < max {
            return true;
        }
        let mut shares = BTreeMap::<IpAddr, usize>::new();
        for entry in self.entries.values().filter(|entry| !entry.is_spare) {
            *shares.entry(entry.peer).or_default() += 1;
        }
        let greedy = shares.into_iter().find(|(_, count)| *count > max / 2).map(|(peer, _)| peer);
        let of_greedy = self.evict(now, |entry| !entry.is_spare && Some(entry.peer) == greedy);
        of_greedy.or_else(|| self.evict(now, |entry| !entry.is_spare)).is_some()
    }

    /// Evicts the connection that has been idle or stalled for longest.
    fn evict(&mut self, now: Instant, is_candidate: impl Fn(&Entry) -> bool) -> Option<()> {
        let candidates = self.entries.iter().filter(|(_, entry)| is_candidate(entry));
        let idle = candidates.filter_map(|(id, entry)| Some((entry.idle_since(now)?, *id)));
        let (_, id) = idle.min()?;
        let entry = self.entries.remove(&id)?;
        let reason = match entry.standing {
            Standing::Stalled(_) => HttpClosed::StalledEvicted,
            Standing::Idle(_) | Standing::Busy => HttpClosed::IdleEvicted,
        };
        let _ = entry.notice.reason.set(reason);
        entry.notice.event.notify(usize::MAX);
        Some(())
    }
}

impl Entry {
    fn idle_since(&self, now: Instant) -> Option<Instant> {
        match self.standing {
            Standing::Idle(since) => Some(since),
            Standing::Stalled(since) => {
                (now.saturating_duration_since(since) >= STALL).then_some(since)
            }
            Standing::Busy => None,
        }
    }
}

/// The place of one connection. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
    notice: Arc<Notice>,
}

impl Place {
    /// A number that no other connection has had.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn stand(&self, standing: Standing) {
        if let Some(entry) = self.places.lock().entries.get_mut(&self.id) {
            entry.standing = standing;
        }
    }

    /// A request has arrived. Returns whether the place is an ordinary one now.
    pub(super) fn begin_request(&self, now: Instant) -> bool {
        let mut state = self.places.lock();
        let is_spare = |state: &State| state.entries.get(&self.id).is_some_and(|it| it.is_spare);
        let is_ordinary = !is_spare(&state) || state.make_room(now, self.places.max);
        if let Some(entry) = state.entries.get_mut(&self.id) {
            entry.standing = Standing::Busy;
            entry.is_spare = !is_ordinary;
        }
        is_ordinary
    }

    /// Resolves if the connection has to make room.
    pub(super) async fn evicted(&self) -> HttpClosed {
        loop {
            let listener = self.notice.event.listen();
            if let Some(reason) = self.notice.reason.get() {
                return *reason;
            }
            listener.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.entries.remove(&self.id);
        let is_empty = state.entries.is_empty();
        drop(state);
        if is_empty {
            self.places.emptied.notify(usize::MAX);
        }
    }
}

/// How long a peer may take nothing of an answer before it can lose its place.
const STALL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::{Place, Places, STALL, Standing};
    use crate::observe::telemetry::HttpClosed;
    use futures_lite::future::{block_on, poll_once};
    use std::net::IpAddr;
    use std::time::{Duration, Instant};

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn evicted(place: &Place) -> Option<HttpClosed> {
        block_on(poll_once(place.evicted()))
    }

    fn after(now: Instant, millis: u64) -> Instant {
        now + Duration::from_millis(millis)
    }

    #[test]
    fn the_connection_that_is_idle_longest_makes_room() {
        let (places, now) = (Places::new(4, 0), Instant::now());
        let all: Vec<_> =
            (0..4).map(|n| places.take(after(now, n), peer(n as u8)).unwrap()).collect();
        assert!(all[0].begin_request(after(now, 10)));
        all[1].stand(Standing::Idle(after(now, 20)));
        let _newcomer = places.take(after(now, 30), peer(9)).unwrap();
        let reasons: Vec<_> = all.iter().map(evicted).collect();
        assert_eq!(reasons, [None, None, Some(HttpClosed::IdleEvicted), None]);
        assert_eq!(places.taken(), 4);
        drop(all);
        assert_eq!(places.taken(), 1);
    }

    #[test]
    fn an_address_with_more_than_half_of_the_places_loses_its_own_first() {
        let (places, now) = (Places::new(4, 0), Instant::now());
        let other = places.take(now, peer(1)).unwrap();
        let flood: Vec<_> =
            (1..100).map(|millis| places.take(after(now, millis), peer(2)).unwrap()).collect();
        assert_eq!(evicted(&other), None);
        assert_eq!(flood.iter().filter(|place| evicted(place).is_none()).count(), 3);
    }

    #[test]
    fn whoever_is_served_keeps_its_place_unless_it_stalls() {
        let (places, now) = (Places::new(1, 0), Instant::now());
        let busy = places.take(now, peer(1)).unwrap();
        busy.begin_request(now);
        assert!(places.take(now, peer(2)).is_none());
        busy.stand(Standing::Stalled(now));
        assert!(places.take(now + STALL / 2, peer(2)).is_none());
        assert!(places.take(now + STALL, peer(2)).is_some());
        assert_eq!(evicted(&busy), Some(HttpClosed::StalledEvicted));
    }

    #[test]
    fn spare_places_are_for_when_all_are_busy() {
        let (places, now) = (Places::new(1, 1), Instant::now());
        let busy = places.take(now, peer(1)).unwrap();
        busy.begin_request(now);
        let spare = places.take(now, peer(2)).unwrap();
        assert!(!spare.begin_request(now), "it has no ordinary place");
        assert!(places.take(now, peer(3)).is_none());
        spare.stand(Standing::Idle(now));
        let next = places.take(after(now, 1), peer(3)).unwrap();
        assert_eq!(evicted(&spare), Some(HttpClosed::IdleEvicted));
        drop((busy, spare));
        assert!(next.begin_request(now), "an ordinary place has become free");
        assert!(places.take(now, peer(4)).is_some());
    }

    #[test]
    fn waiting_for_the_last_connection_ends_with_it() {
        let (places, now) = (Places::new(2, 0), Instant::now());
        block_on(places.wait_empty());
        let place = places.take(now, peer(1)).unwrap();
        let mut empty = Box::pin(places.wait_empty());
        assert!(block_on(poll_once(&mut empty)).is_none());
        drop(place);
        block_on(empty);
    }
}
