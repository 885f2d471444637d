//! A program on smol: the client runs on smol's global executor, beside the work of the program.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --no-default-features --features prometheus,smol --example embedded_in_smol -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use prometheus::register_int_counter;
use prometheus_rsocket_client::{Client, Status};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let client = Client::builder(proxy().as_str())?
            .label("application", "embedded_in_smol")
            .spawn(prometheus::default_registry())?;

        // Tells how it stands with the proxy.
        let mut changes = client.status_changes();
        let telling = smol::spawn(async move {
            while let Some(status) = changes.next().await {
                match status {
                    Status::Ready { .. } => println!("connected to the proxy"),
                    Status::Waiting { reason, .. } => println!("no proxy: {reason}"),
                    _ => {}
                }
            }
        });

        // The work of the program: a job every second, up to 600.
        let jobs = register_int_counter!("jobs_total", "Jobs done.")?;
        for _ in 0..600 {
            jobs.inc();
            smol::Timer::after(Duration::from_secs(1)).await;
        }

        client.push_and_close().await?;
        telling.await;
        Ok(())
    })
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
