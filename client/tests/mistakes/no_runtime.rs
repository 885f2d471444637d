// features:
// says: `spawn` needs a runtime: enable the feature `tokio` or `smol` of prometheus-rsocket-client
use prometheus_rsocket_client::Client;

fn main() {
    let builder = Client::builder("tcp://localhost:7001").unwrap();
    let _ = builder.spawn(|| "jobs_total 1\n".to_owned());
}
