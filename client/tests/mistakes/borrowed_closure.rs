// features: tokio
// says: argument requires that `registry` is borrowed for `'static`
use prometheus_rsocket_client::Client;

fn main() {
    let registry = vec!["jobs_total 1\n".to_owned()];
    let texts: &[String] = &registry;
    let builder = Client::builder("tcp://localhost:7001").unwrap();
    let _ = builder.spawn(|| texts.concat());
}
