//! Example applications for a first look: they run inside the proxy's process, and connect to it like any other.

use prometheus_rsocket_client::{Client, Config, Labels, ProxyUrl};
use prometheus_rsocket_runtime::Runtime;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Keeps the example applications running. They close when it is dropped.
pub(crate) struct Demo(#[expect(dead_code, reason = "held for its drop")] Vec<Client>);

/// Starts applications that connect to a proxy in this process.
pub(crate) fn start<R: Runtime>(
    runtime: &R,
    scheme: &str,
    proxy: SocketAddr,
    path: &str,
    count: usize,
) -> Demo {
    let url = format!("{scheme}://{}{path}", SocketAddr::new(reachable(proxy.ip()), proxy.port()));
    let Ok(url) = url.parse::<ProxyUrl>() else { return Demo(Vec::new()) };
    let start = |number: usize| {
        let mut config = Config::new(url.clone());
        config.labels =
            Labels::new([("instance", format!("demo-{number}"))]).expect("a label that is allowed");
        let app = Arc::new(App { number, started: runtime.now() });
        let clock = runtime.clone();
        let metrics = move || app.metrics(clock.now());
        let (client, running) = Client::new(runtime.clone(), config, metrics);
        runtime.spawn(running);
        client
    };
    Demo((1..=count).map(start).collect())
}

struct App {
    number: usize,
    started: Instant,
}

impl App {
    /// Orders arrive at a steady rate, different for each application. The queue grows and shrinks.
    fn metrics(&self, now: Instant) -> String {
        let Self { number, started } = self;
        let seconds = now.saturating_duration_since(*started).as_secs_f64();
        let orders = (seconds * *number as f64).floor();
        let queue = (10.0 + 10.0 * (seconds / 30.0 + *number as f64).sin()).round();
        format!(
            "# HELP demo_orders_total Orders taken since the example application began.\n\
             # TYPE demo_orders_total counter\n\
             demo_orders_total{{application=\"demo-{number}\"}} {orders}\n\
             # HELP demo_queue_length Orders that wait.\n\
             # TYPE demo_queue_length gauge\n\
             demo_queue_length{{application=\"demo-{number}\"}} {queue}\n\
             # HELP demo_uptime_seconds Time since the example application began.\n\
             # TYPE demo_uptime_seconds gauge\n\
             demo_uptime_seconds{{application=\"demo-{number}\"}} {seconds:.3}\n"
        )
    }
}

/// Returns an address at which this machine reaches a listener of its own.
fn reachable(listening: IpAddr) -> IpAddr {
    match listening {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        specific => specific,
    }
}
