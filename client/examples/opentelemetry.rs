//! Metrics of OpenTelemetry: `opentelemetry-prometheus` writes them into a registry of the crate `prometheus`.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --features prometheus --example opentelemetry -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;
use prometheus_rsocket_client::Client;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    let provider = SdkMeterProvider::builder().with_reader(exporter).build();
    // So that libraries find it, pass it to `opentelemetry::global::set_meter_provider`, too.
    let meter = provider.meter("shop");

    let client =
        Client::builder(proxy().as_str())?.label("application", "opentelemetry").spawn(registry)?;

    // The work of the program.
    let orders = meter.u64_counter("orders").with_description("Orders taken.").build();
    orders.add(3, &[KeyValue::new("kind", "book")]);
    meter.i64_gauge("open_orders").build().record(2, &[]);
    let took = meter.f64_histogram("order_duration").with_unit("s");
    took.with_boundaries(vec![0.1, 1.0, 10.0]).build().record(0.5, &[]);

    tokio::signal::ctrl_c().await?;
    client.push_and_close().await?;
    Ok(())
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
