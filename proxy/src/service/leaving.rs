//! How connections are closed: those that are too old, a few at a time, and all of them before the proxy stops.

use crate::config::Config;
use crate::current::Current;
use crate::service::hub::{Hub, STOPPING};
use prometheus_rsocket_protocol::collector::ConnectionId;
use prometheus_rsocket_runtime::{Runtime, sleep_until, timeout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time limits of a proxy that stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DrainTimes {
    /// For load balancers and service discovery to notice that the proxy is not ready.
    pub(crate) delay: Duration,
    /// For closing connections one after the other.
    pub(crate) spread: Duration,
    /// For scrapes under way, so that their applications stay until they have answered.
    pub(crate) scrapes: Duration,
    /// For pushes that are held only in memory to be scraped; `None` if they are on disk as well.
    pub(crate) linger: Option<Duration>,
}

/// Performs the steps before a proxy stops: waits until load balancers no longer send anybody to it, closes connections over a time, and waits for
/// its pushes to be scraped. HTTP goes on meanwhile.
pub(crate) async fn drain<R: Runtime>(runtime: &R, hub: &Hub, times: DrainTimes) {
    let start = runtime.now();
    hub.set_leaving();
    sleep_until(runtime, start + times.delay).await;
    hub.refuse();
    let connections = hub.connections().into_iter().map(|(_, connection)| connection).collect();
    let last = runtime.now() + times.spread;
    spread(runtime, hub, connections, last).await;
    let Some(linger) = times.linger else { return };
    // Nothing is acknowledged after that, so what is missed then is final.
    let_all_go(runtime, hub, runtime.now() + times.scrapes).await;
    let give_up = runtime.now() + linger;
    while hub.missed_pushes(runtime.now()) > 0 && runtime.now() < give_up {
        sleep_until(runtime, give_up.min(runtime.now() + TICK)).await;
    }
    let pushes = hub.unsent_pushes(runtime.now());
    if pushes > 0 {
        tracing::warn!(
            pushes,
            "pushes are lost: not every scraper seen lately was sent them (--push-linger)"
        );
    }
}

/// Closes connections evenly until `last`, each while it is not being scraped. Those that are always being scraped are left.
async fn spread<R: Runtime>(
    runtime: &R,
    hub: &Hub,
    mut connections: Vec<ConnectionId>,
    last: Instant,
) {
    loop {
        let now = runtime.now();
        if now >= last || connections.is_empty() {
            return;
        }
        let ticks = (last - now).as_millis() / TICK.as_millis() + 1;
        let mut due = connections.len().div_ceil(ticks as usize);
        connections.retain(|connection| {
            let goes = due > 0 && hub.let_go(now, *connection, STOPPING);
            due -= usize::from(goes);
            !goes
        });
        sleep_until(runtime, last.min(now + TICK)).await;
    }
}

/// Closes all remaining connections, each once it is not being scraped. At `last`, closes them in any case.
async fn let_all_go<R: Runtime>(runtime: &R, hub: &Hub, last: Instant) {
    for connection in hub.all_connections() {
        let now = runtime.now();
        if !hub.let_go(now, connection, STOPPING) {
            hub.let_go_after_request(now, connection, STOPPING);
        }
    }
    if timeout(runtime, last, hub.drained()).await.is_err() {
        hub.drain();
        let _ = timeout(runtime, runtime.now() + GOODBYE, hub.drained()).await;
    }
}

/// Closes connections that are older than `--max-connection-age`, give or take a tenth, so that applications spread anew over all proxies behind a
/// load balancer. Each is closed right after a scrape, so that its application is back before the next one; a connection that nobody scrapes is
/// closed after some time all the same. Per second, at most twice the average number are told to close, and at least ten. Never returns.
pub(crate) async fn age<R: Runtime>(runtime: R, hub: Arc<Hub>, config: Current<Config>) {
    loop {
        let changed = config.listen();
        let Some(age) = config.get().max_connection_age else {
            changed.await;
            continue;
        };
        let now = runtime.now();
        let connections = hub.connections();
        let per_tick = connections.len() as f64 * 2.0 * TICK.as_secs_f64() / age.as_secs_f64();
        let mut room = (per_tick.ceil() as usize).max(MIN_PER_TICK);
        for (since, connection) in connections {
            let Some(overdue) =
                now.saturating_duration_since(since).checked_sub(jittered(age, connection))
            else {
                continue;
            };
            if room == 0 {
                break;
            }
            let goes = match overdue < PATIENCE {
                true => hub.let_go_after_request(now, connection, TOO_OLD),
                false => hub.let_go(now, connection, TOO_OLD),
            };
            room -= usize::from(goes);
        }
        sleep_until(&runtime, now + TICK).await;
    }
}

/// Returns nine to eleven tenths of an age, spread evenly over connections.
fn jittered(age: Duration, connection: ConnectionId) -> Duration {
    // Spreads consecutive numbers over the whole range, by the golden ratio: 2^64 / 1.618.
    let spread = connection.number().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    age.mul_f64(0.9 + 0.2 * spread as f64 / f64::from(u32::MAX))
}

/// How often connections to close are looked for.
const TICK: Duration = Duration::from_millis(250);

/// Longer than most scrape intervals.
const PATIENCE: Duration = Duration::from_secs(75);

/// How long connections that were told to close may take to end.
pub(crate) const GOODBYE: Duration = Duration::from_secs(3);

/// Ten in a second, or a few more.
const MIN_PER_TICK: usize = 3;

const TOO_OLD: &str = "the connection has its longest age (--max-connection-age); connect again";

#[cfg(test)]
mod tests {
    use super::jittered;
    use prometheus_rsocket_protocol::collector::{Collector, Config, Peer, Transport};
    use std::time::{Duration, Instant};

    #[test]
    fn ages_are_spread_evenly_over_a_fifth() {
        let mut collector = Collector::new(Config::default());
        let peer = Peer { address: String::new(), transport: Transport::Tcp, tls: None };
        let age = Duration::from_secs(1000);
        let mut ages: Vec<Duration> = (0..100)
            .map(|_| jittered(age, collector.accept(Instant::now(), peer.clone()).unwrap()))
            .collect();
        ages.sort_unstable();
        assert!(ages[0] >= age * 9 / 10 && ages[99] <= age * 11 / 10);
        let widest = ages.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(widest < Duration::from_secs(10), "{widest:?}");
    }
}
