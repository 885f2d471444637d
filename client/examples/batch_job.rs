//! A batch job that ends before anybody scrapes it: its metrics are pushed at the end, also if it fails.
//!
//! Start a proxy, then this, and look at the metrics that the proxy serves once it is over:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --example batch_job -- tcp://localhost:7001
//! curl http://localhost:8080/metrics/connected
//! ```

use prometheus_rsocket_client::{Client, run_job};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let rows = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&rows);
    let metrics = move || {
        let rows = counted.load(Ordering::Relaxed);
        format!("# HELP rows_total Rows imported.\n# TYPE rows_total counter\nrows_total {rows}\n")
    };
    let client = Client::builder(proxy().as_str())?
        .label("application", "batch_job")
        .push_timeout(Duration::from_secs(30))
        .spawn(metrics)?;

    let (imported, pushed) = run_job(client, import(&rows)).await;
    if let Err(error) = pushed {
        eprintln!("the metrics of this run are lost: {error}");
    }
    Ok(match imported {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("not everything is imported: {error}");
            ExitCode::FAILURE
        }
    })
}

/// The work of the job.
async fn import(rows: &AtomicU64) -> Result<(), std::num::ParseIntError> {
    for row in ["1", "2", "3", "four"] {
        row.parse::<u64>()?;
        rows.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The first argument, or else the variable `PROXY`.
fn proxy() -> String {
    let proxy = std::env::args().nth(1).or_else(|| std::env::var("PROXY").ok());
    proxy.unwrap_or_else(|| "tcp://localhost:7001".to_owned())
}
