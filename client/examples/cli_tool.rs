//! A tool for the command line that counts the lines of files, and pushes what it did. Without a proxy it works as well, and does not wait.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves once it is over:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! PROXY=tcp://localhost:7001 cargo run -p prometheus-rsocket-client --features blocking,prometheus --example cli_tool -- README.md
//! curl http://localhost:8080/metrics/connected
//! ```

use prometheus::{IntCounter, IntCounterVec, register_int_counter, register_int_counter_vec};
use prometheus_rsocket_client::Client;
use std::error::Error;
use std::fs;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let lines: IntCounter = register_int_counter!("lines_total", "Lines counted.")?;
    let files: IntCounterVec =
        register_int_counter_vec!("files_total", "Files read.", &["outcome"])?;
    // Here the files are the arguments.
    let proxy = std::env::var("PROXY").unwrap_or_else(|_| "tcp://localhost:7001".to_owned());
    // It connects while the tool works.
    let client = Client::builder(proxy.as_str())?
        .label("application", "cli_tool")
        .push_timeout(Duration::from_secs(2))
        .connect_blocking(prometheus::default_registry(), Duration::ZERO)?;

    for file in std::env::args().skip(1) {
        match fs::read_to_string(&file) {
            Ok(text) => {
                println!("{:8} {file}", text.lines().count());
                lines.inc_by(text.lines().count() as u64);
                files.with_label_values(&["read"]).inc();
            }
            Err(error) => {
                eprintln!("{file}: {error}");
                files.with_label_values(&["failed"]).inc();
            }
        }
    }

    if let Err(error) = client.push_and_close_blocking() {
        eprintln!("the metrics are lost: {error}");
    }
    Ok(())
}
