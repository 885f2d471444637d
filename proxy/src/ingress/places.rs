use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Places for applications' connections. Those that are not set up yet make room for newcomers.
///
/// A connection that is set up keeps its place. Of the others, the oldest one of the network with the most of them goes. So a peer that opens
/// connections without end evicts its own, and other peers have the time that a handshake takes. An evicted connection stops counting immediately.
/// The number of those that are still on their way out is bounded: they are those that are told why, and those whose tasks have not run since.
///
/// A connection from a trusted load balancer counts by itself until the address of its peer is known, and then towards that peer. So peers behind one
/// load balancer do not share one share. A burst of connections that are not announced yet evicts its own, before peers with a single connection.
#[derive(Debug)]
pub(crate) struct Places {
    max_evicted: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    max: usize,
    taken: usize,
    /// Connections that were evicted, and still exist.
    evicted: usize,
    next: u64,
    /// Connections that are not set up yet, by network and then by age. Never more than there are places, and no network without any.
    guests: BTreeMap<Whose, BTreeMap<u64, Arc<Notice>>>,
}

/// The share that a guest belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Network(IpAddr),
    /// Its own, since a load balancer has yet to announce the address. The number is the guest's.
    Unannounced(u64),
}

/// Tells a guest that it has to go. Every connection has one for as long as it lives, so it is small.
#[derive(Debug, Default)]
struct Notice {
    is_evicted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Notice {
    fn evict(&self) -> Option<Waker> {
        self.is_evicted.store(true, Ordering::Release);
        self.lock().take()
    }

    fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    pub(crate) fn new(max: usize, max_evicted: usize) -> Arc<Self> {
        Arc::new(Self { max_evicted, state: Mutex::new(State { max, ..State::default() }) })
    }

    /// Changes the number of places. Connections that have one keep it.
    pub(crate) fn set_max(&self, max: usize) {
        self.lock().max = max;
    }

    /// Takes a place for a connection that is not set up yet. If there is none, another such connection is evicted. Returns `None` if all places
    /// belong to connections that are set up, or if too many are on their way out.
    ///
    /// Without an address, the connection comes from a trusted load balancer, and counts by itself until its peer is [announced](Place::announce).
    pub(crate) fn take(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Place> {
        let mut state = self.lock();
        let mut evicted = None;
        if state.taken < state.max {
            state.taken += 1;
        } else {
            if state.evicted >= self.max_evicted {
                return None;
            }
            // Its place goes to the newcomer.
            evicted = state.pop_guest()?.evict();
            state.evicted += 1;
        }
        let (number, notice) = (state.next, Arc::default());
        state.next += 1;
        let whose = peer.map_or(Whose::Unannounced(number), |peer| Whose::Network(network(peer)));
        state.guests.entry(whose).or_default().insert(number, Arc::clone(&notice));
        drop(state);
        evicted.into_iter().for_each(Waker::wake);
        let is_kept = AtomicBool::new(false);
        Some(Place { places: Arc::clone(self), whose, number, notice, is_kept })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop_guest(&mut self) -> Option<Arc<Notice>> {
        let oldest = |guests: &BTreeMap<u64, _>| guests.keys().next().copied();
        let by_size = self.guests.iter().filter_map(|(whose, guests)| {
            // The smallest key comes first. Among networks of equal size, connections that are not announced come first, then the network with the
            // oldest one.
            let is_announced = matches!(whose, Whose::Network(_));
            Some((usize::MAX - guests.len(), is_announced, oldest(guests)?, *whose))
        });
        let (_, _, number, whose) = by_size.min()?;
        self.remove_guest(whose, number)
    }

    fn remove_guest(&mut self, whose: Whose, number: u64) -> Option<Arc<Notice>> {
        let guests = self.guests.get_mut(&whose)?;
        let notice = guests.remove(&number);
        if guests.is_empty() {
            self.guests.remove(&whose);
        }
        notice
    }
}

/// A place. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    whose: Whose,
    number: u64,
    notice: Arc<Notice>,
    is_kept: AtomicBool,
}

impl Place {
    /// Counts the connection towards this peer from now on. Its age does not change.
    pub(crate) fn announce(&mut self, peer: IpAddr) {
        let mut state = self.places.lock();
        let guest = state.remove_guest(self.whose, self.number);
        self.whose = Whose::Network(network(peer));
        // There is none if it was evicted meanwhile.
        if let Some(notice) = guest {
            state.guests.entry(self.whose).or_default().insert(self.number, notice);
        }
    }

    /// The connection is set up and keeps its place, unless it was evicted at this very moment.
    pub(crate) fn keep(&self) {
        self.places.lock().remove_guest(self.whose, self.number);
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// Resolves if the connection has to go.
    pub(crate) async fn evicted(&self) {
        poll_fn(|cx| self.poll_evicted(cx)).await;
    }

    fn poll_evicted(&self, cx: &Context<'_>) -> Poll<()> {
        if self.notice.is_evicted() {
            return Poll::Ready(());
        }
        if self.is_kept.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let mut waker = self.notice.lock();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        // It may have been evicted before the waker was registered.
        if self.notice.is_evicted() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.remove_guest(self.whose, self.number);
        // Evictions happen under the lock.
        if self.notice.is_evicted() {
            state.evicted -= 1;
        } else {
            state.taken -= 1;
        }
    }
}

/// Returns what counts as one peer: an address, or for IPv6 its network of 64 bits, which a single machine has to itself.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Places, network};
    use futures_lite::future::{block_on, poll_once, yield_now, zip};
    use std::net::IpAddr;

    const MAX_EVICTED: usize = 200;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn is_evicted(place: &Place) -> bool {
        block_on(poll_once(place.evicted())).is_some()
    }

    #[test]
    fn the_oldest_that_is_not_set_up_makes_room() {
        let places = Places::new(3, MAX_EVICTED);
        let mut taken: Vec<_> = (0..3).map(|_| places.take(Some(peer(1))).unwrap()).collect();
        taken[0].keep();
        taken.push(places.take(Some(peer(1))).unwrap());
        assert_eq!(taken.iter().map(is_evicted).collect::<Vec<_>>(), [false, true, false, false]);
        // The evicted one has no place to return.
        drop(taken.remove(1));
        taken.push(places.take(Some(peer(1))).unwrap());
        assert_eq!(taken.iter().map(is_evicted).collect::<Vec<_>>(), [false, true, false, false]);
        taken.remove(1);
        taken.iter().for_each(Place::keep);
        assert!(places.take(Some(peer(2))).is_none(), "all are set up");
        taken.pop();
        assert!(places.take(Some(peer(2))).is_some());
    }

    #[test]
    fn whoever_has_the_most_is_evicted_first() {
        let places = Places::new(6, MAX_EVICTED);
        let one = places.take(Some(peer(1))).unwrap();
        let mut flood: Vec<_> = (0..5).map(|_| places.take(Some(peer(2))).unwrap()).collect();
        for _ in 0..100 {
            flood.push(places.take(Some(peer(2))).unwrap());
        }
        assert!(!is_evicted(&one), "a flood evicts its own");
        let others: Vec<_> =
            (3..7).map(|number| places.take(Some(peer(number))).unwrap()).collect();
        assert!(!is_evicted(&one) && !others.iter().any(is_evicted));
        assert_eq!(flood.iter().filter(|place| !is_evicted(place)).count(), 1);
        // All have equally many: the oldest goes.
        let last = places.take(Some(peer(7))).unwrap();
        assert!(is_evicted(&one) && !is_evicted(&last));
    }

    #[test]
    fn peers_behind_a_load_balancer_have_shares_of_their_own() {
        let places = Places::new(6, MAX_EVICTED);
        let one = places.take(Some(peer(1))).unwrap();
        // Until they are announced, they do not count as a crowd.
        let mut behind: Vec<_> = (0..3).map(|_| places.take(None).unwrap()).collect();
        let mut flood: Vec<_> = (0..4).map(|_| places.take(Some(peer(2))).unwrap()).collect();
        assert_eq!(flood.iter().map(is_evicted).collect::<Vec<_>>(), [true, true, false, false]);
        flood.drain(..2);
        // The first of them belongs to a quiet peer, the others to a crowd.
        behind[0].announce(peer(3));
        behind[1].announce(peer(4));
        behind[2].announce(peer(4));
        flood.pop();
        flood.push(places.take(Some(peer(4))).unwrap());
        let newcomer = places.take(Some(peer(5))).unwrap();
        assert_eq!(behind.iter().map(is_evicted).collect::<Vec<_>>(), [false, true, false]);
        assert!(!is_evicted(&one) && !is_evicted(&newcomer));
        // A burst from a load balancer costs no peer with a single connection its place.
        flood.clear();
        behind.remove(2);
        let burst: Vec<_> = (0..20).map(|_| places.take(None).unwrap()).collect();
        assert_eq!(burst.iter().filter(|place| !is_evicted(place)).count(), 3);
        assert!(!is_evicted(&one) && !is_evicted(&newcomer) && !is_evicted(&behind[0]));
        // A connection that was evicted before it was announced returns no place twice.
        behind[1].announce(peer(1));
        drop((one, behind, burst, newcomer));
        let state = places.lock();
        assert_eq!((state.taken, state.evicted, state.guests.len()), (0, 0, 0));
    }

    #[test]
    fn a_place_wakes_whoever_waits_for_its_eviction() {
        let places = Places::new(1, MAX_EVICTED);
        let first = places.take(Some(peer(1))).unwrap();
        let mut second = None;
        // The eviction happens while it waits.
        block_on(zip(first.evicted(), async {
            yield_now().await;
            second = places.take(Some(peer(2)));
        }));
        let second = second.unwrap();
        second.keep();
        assert!(!is_evicted(&second) && places.take(Some(peer(3))).is_none());
    }

    #[test]
    fn there_may_be_more_or_fewer_places_later() {
        let places = Places::new(1, MAX_EVICTED);
        let first = places.take(Some(peer(1))).unwrap();
        first.keep();
        assert!(places.take(Some(peer(2))).is_none());
        places.set_max(2);
        let second = places.take(Some(peer(2))).unwrap();
        second.keep();
        places.set_max(1);
        drop(first);
        assert!(places.take(Some(peer(3))).is_none() && !is_evicted(&second));
        drop(second);
        assert!(places.take(Some(peer(3))).is_some());
    }

    #[test]
    fn no_more_than_so_many_are_on_their_way_out() {
        let places = Places::new(1, MAX_EVICTED);
        let mut taken: Vec<_> =
            (0..=MAX_EVICTED).map(|_| places.take(Some(peer(1))).unwrap()).collect();
        assert!(places.take(Some(peer(1))).is_none());
        drop(taken.remove(0));
        assert!(places.take(Some(peer(1))).is_some());
    }

    #[test]
    fn a_machine_is_one_peer_however_many_addresses_it_has() {
        let parsed = |text: &str| network(text.parse().unwrap());
        assert_eq!(parsed("::ffff:10.0.0.1"), parsed("10.0.0.1"));
        assert_ne!(parsed("10.0.0.2"), parsed("10.0.0.1"));
        assert_eq!(parsed("2001:db8::1"), parsed("2001:db8::ffff:0:0:2"));
        assert_ne!(parsed("2001:db8:0:1::1"), parsed("2001:db8::1"));
    }
}
