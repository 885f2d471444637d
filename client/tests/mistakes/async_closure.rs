// features: tokio
// says: if it returns a future, put it into `from_async`: `from_async(|| async { … })`
use prometheus_rsocket_client::Client;

fn main() {
    let builder = Client::builder("tcp://localhost:7001").unwrap();
    let _ = builder.spawn(|| async { "jobs_total 1\n".to_owned() });
}
