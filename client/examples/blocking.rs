//! A program without a runtime: the client has a thread to itself.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves while it runs, and once it is over:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --features blocking --example blocking -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use prometheus_rsocket_client::Client;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let files = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&files);
    let metrics = move || {
        let files = counted.load(Ordering::Relaxed);
        format!(
            "# HELP files_total Files packed.\n# TYPE files_total counter\nfiles_total {files}\n"
        )
    };
    // Waits up to 2 seconds for the proxy. Without it, the program runs all the same.
    let client = Client::builder(proxy().as_str())?
        .label("application", "blocking")
        .connect_blocking(metrics, Duration::from_secs(2))?;
    if !client.is_ready() {
        eprintln!("no proxy yet: {:?}", client.status());
    }

    // The work of the program.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(1));
        files.fetch_add(1, Ordering::Relaxed);
    }

    client.push_and_close_blocking()?;
    Ok(())
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
