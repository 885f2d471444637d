use prometheus_rsocket_protocol::collector::ConnectionId;
use std::collections::BTreeMap;
use std::task::Waker;

/// Connections that wait until there is room for what they have to hand on, each once, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    waiting: BTreeMap<u64, (ConnectionId, Waker)>,
    places: BTreeMap<ConnectionId, u64>,
    next: u64,
}

impl Turns {
    /// Adds a connection. One that waits already keeps its place.
    pub(crate) fn wait(&mut self, connection: ConnectionId, waker: &Waker) {
        let place = *self.places.entry(connection).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.waiting.insert(place, (connection, waker.clone()));
    }

    /// Removes a connection.
    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        if let Some(place) = self.places.remove(&connection) {
            self.waiting.remove(&place);
        }
    }

    /// Takes a connection out of its turn, if it waits.
    pub(crate) fn take(&mut self, connection: ConnectionId) -> Option<Waker> {
        let place = self.places.remove(&connection)?;
        self.waiting.remove(&place).map(|(_, waker)| waker)
    }

    /// Returns whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the connection that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<Waker> {
        let (_, (connection, waker)) = self.waiting.pop_first()?;
        self.places.remove(&connection);
        Some(waker)
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use prometheus_rsocket_protocol::collector::{
        Collector, Config, ConnectionId, Peer, Transport,
    };
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Instant;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn connections<const COUNT: usize>() -> [ConnectionId; COUNT] {
        let mut collector = Collector::new(Config::default());
        std::array::from_fn(|_| {
            let peer = Peer { address: String::new(), transport: Transport::Tcp, tls: None };
            collector.accept(Instant::now(), peer).unwrap()
        })
    }

    #[test]
    fn who_has_waited_longest_is_next_and_who_waits_again_keeps_its_place() {
        let (mut turns, counts) = (Turns::default(), [(); 4].map(|()| Arc::new(Count::default())));
        let wakers = counts.clone().map(Waker::from);
        let [first, second, third] = connections();
        turns.wait(third, &wakers[3]);
        turns.wait(first, &wakers[0]);
        turns.wait(second, &wakers[1]);
        turns.wait(third, &wakers[2]);
        turns.remove(first);
        turns.remove(first);
        let mut woken = || {
            if let Some(waker) = turns.pop() {
                waker.wake();
            }
            counts.each_ref().map(|count| count.0.load(Ordering::Relaxed))
        };
        assert_eq!(woken(), [0, 0, 1, 0], "the latest waker of the one that came first");
        assert_eq!(woken(), [0, 1, 1, 0]);
        assert_eq!(woken(), [0, 1, 1, 0], "nobody is left");
        assert!(turns.waiting.is_empty() && turns.places.is_empty());
    }
}
