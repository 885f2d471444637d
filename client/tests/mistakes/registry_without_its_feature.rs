// features: tokio
// says: `Registry` is no source of metrics
// says: a registry is one with the feature of its crate: `prometheus`, `prometheus-client` or `metrics`
use prometheus_rsocket_client::Client;

/// As another crate's.
struct Registry;

fn main() {
    let builder = Client::builder("tcp://localhost:7001").unwrap();
    let _ = builder.spawn(Registry);
}
