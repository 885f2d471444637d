//! Metrics of the crate `prometheus`: a registry of the program's own.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --features prometheus --example prometheus_registry -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};
use prometheus_rsocket_client::Client;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let orders = IntCounterVec::new(Opts::new("orders_total", "Orders taken."), &["kind"])?;
    registry.register(Box::new(orders.clone()))?;
    let open = IntGauge::new("open_orders", "Orders that are not delivered yet.")?;
    registry.register(Box::new(open.clone()))?;
    let opts = HistogramOpts::new("order_duration_seconds", "Time from an order to its delivery.");
    let took = HistogramVec::new(opts.buckets(vec![0.1, 1.0, 10.0]), &["kind"])?;
    registry.register(Box::new(took.clone()))?;

    // A clone of a registry has the same metrics. For those of macros such as `register_int_counter!`,
    // pass `prometheus::default_registry()`.
    let client = Client::builder(proxy().as_str())?
        .label("application", "prometheus_registry")
        .spawn(registry.clone())?;

    // The work of the program.
    orders.with_label_values(&["book"]).inc_by(3);
    orders.with_label_values(&["7\" single"]).inc();
    open.set(2);
    took.with_label_values(&["book"]).observe(0.5);

    tokio::signal::ctrl_c().await?;
    client.push_and_close().await?;
    Ok(())
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
