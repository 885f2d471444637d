//! Limits on attempts with wrong credentials.

use crate::observe::throttle::network;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts wrong credentials by address, which for IPv6 is a network of 64 bits. After [`MAX_FAILURES`] in [`PERIOD`], further credentials from an
/// address are refused unchecked until the period is over. At most [`MAX_PEERS`] addresses are counted; a new one replaces the one whose period began
/// first.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    peers: Mutex<BTreeMap<Option<IpAddr>, Count>>,
}

#[derive(Debug)]
struct Count {
    since: Instant,
    failures: u32,
}

pub(crate) const MAX_FAILURES: u32 = 10;
pub(crate) const PERIOD: Duration = Duration::from_secs(30);
const MAX_PEERS: usize = 4096;

impl Failures {
    /// Whether the peer with this address (`10.0.0.1`, `[::1]:4711`) has failed too often.
    pub(crate) fn are_too_many(&self, now: Instant, peer: &str) -> bool {
        let mut peers = self.lock();
        let key = network(peer);
        match peers.get(&key) {
            Some(count) if count.since + PERIOD <= now => {
                peers.remove(&key);
                false
            }
            count => count.is_some_and(|count| count.failures >= MAX_FAILURES),
        }
    }

    /// Counts one failure.
    pub(crate) fn add(&self, now: Instant, peer: &str) {
        let mut peers = self.lock();
        let key = network(peer);
        if !peers.contains_key(&key) && peers.len() >= MAX_PEERS {
            let oldest = peers.iter().min_by_key(|(_, count)| count.since).map(|(key, _)| *key);
            oldest.and_then(|oldest| peers.remove(&oldest));
        }
        let count = peers.entry(key).or_insert(Count { since: now, failures: 0 });
        if count.since + PERIOD <= now {
            *count = Count { since: now, failures: 0 };
        }
        count.failures = count.failures.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Option<IpAddr>, Count>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_has_to_wait_and_no_other() {
        let (start, failures) = (Instant::now(), Failures::default());
        for _ in 0..MAX_FAILURES {
            assert!(!failures.are_too_many(start, "10.0.0.1:1"));
            failures.add(start, "10.0.0.1:2");
        }
        assert!(failures.are_too_many(start, "10.0.0.1:3"));
        assert!(!failures.are_too_many(start, "10.0.0.2:3"));
        assert!(failures.are_too_many(start + PERIOD / 2, "10.0.0.1"));
        assert!(!failures.are_too_many(start + PERIOD, "10.0.0.1"));
        failures.add(start + PERIOD, "10.0.0.1");
        assert!(!failures.are_too_many(start + PERIOD, "10.0.0.1"));
    }

    #[test]
    fn the_table_is_bounded() {
        let (start, failures) = (Instant::now(), Failures::default());
        for host in 0..MAX_PEERS as u32 + 10 {
            let at = start + Duration::from_nanos(u64::from(host));
            failures.add(at, &format!("{}", std::net::Ipv4Addr::from(host)));
        }
        assert_eq!(failures.lock().len(), MAX_PEERS);
        assert!(failures.lock().contains_key(&network("0.0.16.9")));
        assert!(!failures.lock().contains_key(&network("0.0.0.9")));
    }
}
