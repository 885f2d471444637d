//! Limits on log lines, whatever peers do.

use crate::observe::telemetry::{Label, LogCause};
use prometheus_rsocket_runtime::LogThrottle;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Lets one log line through per period, and counts the others. For lines that no single peer causes.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    throttle: Mutex<LogThrottle>,
}

impl Throttle {
    /// Returns `None` if the line must not be logged now. Otherwise returns how many lines were suppressed since the last one.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner).pass(now, 1)
    }
}

/// Limits lines by cause and peer, which is an address, or a network of 64 bits for IPv6. In 10 seconds, [a few](LogCause::burst) lines of each cause
/// pass for each peer, and 200 for all peers. At most 1,024 pairs of cause and peer are distinguished; further peers share the limit of one.
#[derive(Debug, Default)]
pub(crate) struct PeerThrottle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<(LogCause, Option<IpAddr>), LogThrottle>,
    /// For peers beyond the limit, by cause.
    shared: [LogThrottle; LogCause::ALL.len()],
    /// For all peers together, by cause.
    all: [LogThrottle; LogCause::ALL.len()],
}

impl PeerThrottle {
    /// Decides whether to log a line now that the peer with this address (`10.0.0.1`, `[::1]:4711`) has caused. Returns `None` if not, and otherwise
    /// how many lines of that cause and peer were suppressed since the last one.
    pub(crate) fn pass(&self, now: Instant, cause: LogCause, peer: &str) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { peers, shared, all } = &mut *state;
        let key = (cause, network(peer));
        if !peers.contains_key(&key) && peers.len() >= MAX_PEERS {
            make_room(now, peers, shared);
        }
        let throttle = if peers.contains_key(&key) || peers.len() < MAX_PEERS {
            peers.entry(key).or_default()
        } else {
            &mut shared[cause as usize]
        };
        let suppressed = throttle.pass(now, cause.burst())?;
        if all[cause as usize].pass(now, MAX_OF_CAUSE).is_none() {
            throttle.suppress(suppressed + 1);
            return None;
        }
        Some(suppressed)
    }
}

/// Forgets the peer that has been known for longest, if its period is over.
fn make_room(
    now: Instant,
    peers: &mut BTreeMap<(LogCause, Option<IpAddr>), LogThrottle>,
    shared: &mut [LogThrottle],
) {
    let oldest = peers.iter().min_by_key(|(_, throttle)| throttle.began_at()).map(|(key, _)| *key);
    let Some(oldest) = oldest.filter(|key| peers[key].is_over(now)) else { return };
    if let Some(throttle) = peers.remove(&oldest) {
        // The next line for peers that share reports these.
        shared[oldest.0 as usize].suppress(throttle.suppressed());
    }
}

/// Returns what an address counts as: a host can have as many IPv6 addresses of its network as it likes.
pub(crate) fn network(address: &str) -> Option<IpAddr> {
    let ip = match address.parse::<SocketAddr>() {
        Ok(address) => address.ip(),
        Err(_) => address.parse().ok()?,
    };
    match ip.to_canonical() {
        IpAddr::V4(address) => Some(IpAddr::V4(address)),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
    }
}

/// Pairs of cause and peer that are distinguished.
const MAX_PEERS: usize = 1024;

/// Lines of one cause in a period, whoever causes them.
const MAX_OF_CAUSE: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Returns how many of this many lines pass.
    fn passed(throttle: &PeerThrottle, now: Instant, lines: usize, peer: &str) -> usize {
        let pass = |_: &usize| throttle.pass(now, LogCause::Connected, peer).is_some();
        (0..lines).filter(pass).count()
    }

    #[test]
    fn one_line_per_period_passes() {
        let start = Instant::now();
        let throttle = Throttle::default();
        assert_eq!(throttle.pass(start), Some(0));
        assert_eq!(throttle.pass(at(start, 1)), None);
        assert_eq!(throttle.pass(at(start, 9)), None);
        assert_eq!(throttle.pass(at(start, 10)), Some(2));
        assert_eq!(throttle.pass(at(start, 11)), None);
        assert_eq!(throttle.pass(at(start, 100)), Some(1));
    }

    #[test]
    fn a_peer_has_a_few_lines_of_each_cause_and_no_other_pays_for_it() {
        let (start, throttle) = (Instant::now(), PeerThrottle::default());
        assert_eq!(passed(&throttle, start, 1_000, "10.0.0.1:1"), 10);
        assert_eq!(passed(&throttle, at(start, 9), 1_000, "10.0.0.1:2"), 0);
        assert_eq!(passed(&throttle, start, 1, "10.0.0.2:1"), 1);
        assert_eq!(throttle.pass(start, LogCause::Gone, "10.0.0.1:1"), Some(0));
        assert_eq!(throttle.pass(at(start, 10), LogCause::Connected, "10.0.0.1:3"), Some(1_990));
        assert_eq!(throttle.pass(at(start, 10), LogCause::Connected, "10.0.0.1:3"), Some(0));
    }

    #[test]
    fn a_network_of_64_bits_is_one_peer() {
        let (start, throttle) = (Instant::now(), PeerThrottle::default());
        for host in 0..100 {
            passed(&throttle, start, 1, &format!("[2001:db8::{host:x}]:1"));
        }
        assert_eq!(passed(&throttle, start, 1, "[2001:db8::ffff]:1"), 0);
        assert_eq!(passed(&throttle, start, 1, "[2001:db8:0:1::1]:1"), 1);
        // The same peer, however its address is written.
        assert_eq!(passed(&throttle, start, 10, "[::ffff:10.0.0.1]:1"), 10);
        assert_eq!(passed(&throttle, start, 1, "10.0.0.1:1"), 0);
        assert_eq!(passed(&throttle, start, 1, "10.0.0.1"), 0);
    }

    #[test]
    fn many_peers_together_have_a_bound() {
        let (start, throttle) = (Instant::now(), PeerThrottle::default());
        let mut lines = 0;
        for host in 0..5_000_u32 {
            let peer = format!("10.0.{}.{}:1", host / 256, host % 256);
            lines += passed(&throttle, start, 3, &peer);
        }
        assert_eq!(lines, 200);
        assert_eq!(throttle.state.lock().unwrap().peers.len(), MAX_PEERS);
        // When their period is over, they make room for others. The next peer that shares reports what they suppressed.
        let later = at(start, 20);
        assert_eq!(throttle.pass(later, LogCause::Connected, "10.9.9.9:1"), Some(0));
        assert_eq!(throttle.state.lock().unwrap().peers.len(), MAX_PEERS);
        let known = throttle.pass(later, LogCause::Connected, "10.0.1.0:1");
        assert_eq!(known, Some(3));
    }
}
