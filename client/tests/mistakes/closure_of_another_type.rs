// features: tokio
// says: a source's closure cannot return `&str`
// says: it returns `String`, or `Result<String, E>` where `E` converts to `Box<dyn std::error::Error + Send + Sync>`
use prometheus_rsocket_client::Client;

fn main() {
    let builder = Client::builder("tcp://localhost:7001").unwrap();
    let _ = builder.spawn(|| "jobs_total 1\n");
}
