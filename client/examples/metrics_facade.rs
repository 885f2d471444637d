//! Metrics of the crate `metrics`, whose macros the libraries of a program may use as well.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --features metrics --example metrics_facade -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use metrics::{counter, describe_counter, gauge, histogram};
use prometheus_rsocket_client::metrics_exporter_prometheus::PrometheusBuilder;
use prometheus_rsocket_client::{Client, install_metrics_recorder_from};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // With `install_metrics_recorder()`, which has the defaults, histograms become summaries.
    let builder = PrometheusBuilder::new().set_buckets(&[0.1, 1.0, 10.0])?;
    let recorder = install_metrics_recorder_from(builder)?;
    let client = Client::builder(proxy().as_str())?
        .label("application", "metrics_facade")
        .spawn(recorder)?;

    // The work of the program.
    describe_counter!("orders_total", "Orders taken.");
    counter!("orders_total", "kind" => "book").increment(3);
    counter!("orders_total", "kind" => "7\" single").increment(1);
    gauge!("open_orders").set(2.0);
    histogram!("order_duration_seconds").record(0.5);

    tokio::signal::ctrl_c().await?;
    client.push_and_close().await?;
    Ok(())
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
