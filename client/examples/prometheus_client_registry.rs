//! Metrics of the crate `prometheus-client`, in OpenMetrics: also with units, exemplars, and the type `info`.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves, in OpenMetrics:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --features prometheus-client --example prometheus_client_registry -- tcp://localhost:7001
//! curl -H 'Accept: application/openmetrics-text' http://localhost:8080/metrics/connected
//! ```

use prometheus_client::metrics::exemplar::CounterWithExemplar;
use prometheus_client::metrics::{family::Family, gauge::Gauge, histogram::Histogram, info::Info};
use prometheus_client::registry::{Registry, Unit};
use prometheus_rsocket_client::Client;
use std::error::Error;
use std::sync::Arc;

type Labels = Vec<(&'static str, &'static str)>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut registry = Registry::default();
    registry.register(
        "build",
        "What runs",
        Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
    );
    let orders = CounterWithExemplar::<Labels>::default();
    registry.register("orders", "Orders taken", orders.clone());
    let open = Family::<Labels, Gauge>::default();
    registry.register("open_orders", "Orders that are not delivered yet", open.clone());
    let took = Histogram::new([0.1, 1.0, 10.0]);
    registry.register_with_unit("order", "Time to deliver", Unit::Seconds, took.clone());

    // A registry to which metrics are added later goes into an `Arc<Mutex<_>>` or an `Arc<RwLock<_>>`.
    let client = Client::builder(proxy().as_str())?
        .label("application", "prometheus_client_registry")
        .spawn(Arc::new(registry))?;

    // The work of the program.
    orders.inc_by(3, Some(vec![("trace_id", "4bf92f3577b34da6")]), None);
    open.get_or_create(&vec![("kind", "7\" single")]).set(2);
    took.observe(0.5);

    tokio::signal::ctrl_c().await?;
    client.push_and_close().await?;
    Ok(())
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
