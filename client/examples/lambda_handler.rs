//! A function in the cloud, as AWS Lambda runs it: frozen between two invocations, and ended without notice. It pushes at the end of each one.
//! Here an invocation is a line of the standard input.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves after each invocation:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! printf 'Ada\nGrace\n' |
//!   cargo run -p prometheus-rsocket-client --features prometheus --example lambda_handler -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use prometheus::{IntCounter, register_int_counter};
use prometheus_rsocket_client::Client;
use std::error::Error;
use std::io;
use std::time::Duration;

/// What is kept from one invocation to the next.
struct Function {
    client: Client,
    invocations: IntCounter,
}

impl Function {
    /// The cold start. It does not wait for the proxy.
    fn new(proxy: &str) -> Result<Self, Box<dyn Error>> {
        let client = Client::builder(proxy)?
            .label("application", "lambda_handler")
            // No invocation takes longer for its metrics.
            .push_timeout(Duration::from_secs(2))
            .spawn(prometheus::default_registry())?;
        Ok(Self {
            client,
            invocations: register_int_counter!("invocations_total", "Invocations.")?,
        })
    }

    async fn handle(&self, request: &str) -> String {
        self.invocations.inc();
        // Before the answer: nothing runs after it. The proxy keeps what is pushed until it is scraped.
        if let Err(error) = self.client.push().await {
            eprintln!("the metrics are not pushed: {error}");
        }
        format!("Hello, {request}!")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    let function = Function::new(proxy.as_deref().unwrap_or("tcp://localhost:7001"))?;
    // The loop of the platform, between whose rounds the process is frozen.
    for request in io::stdin().lines() {
        println!("{}", function.handle(&request?).await);
    }
    Ok(())
}
