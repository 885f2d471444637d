//! Metrics from several places, joined: two registries of different crates and a closure, each with labels of its own.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --features prometheus,prometheus-client --example several_registries -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use prometheus::{IntCounter, Registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_rsocket_client::{Client, Joined};
use std::error::Error;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let orders = IntCounter::new("orders_total", "Orders taken.")?;
    registry.register(Box::new(orders.clone()))?;

    let mut other = prometheus_client::registry::Registry::default();
    let other_orders = Counter::<u64>::default();
    other.register("orders", "Orders taken", other_orders.clone());

    // The same family in two registries is one family with two series, as their labels differ.
    let source = Joined::new()
        .labelled([("shop", "old")], registry)?
        .labelled([("shop", "new")], Arc::new(other))?
        .source(|| "# TYPE open_orders gauge\nopen_orders 2\n".to_owned())?;
    let client = Client::builder(proxy().as_str())?
        .label("application", "several_registries")
        .spawn(source)?;

    // The work of the program.
    orders.inc_by(3);
    other_orders.inc_by(4);

    tokio::signal::ctrl_c().await?;
    client.push_and_close().await?;
    Ok(())
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
