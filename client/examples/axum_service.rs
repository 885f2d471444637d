//! A web service with axum that counts its requests. Its metrics go out through the proxy; the service has no `/metrics` of its own.
//!
//! Start a proxy, then this, send it some requests, and look at the metrics that the proxy serves:
//!
//! ```sh
//! prometheus-rsocket-proxy &
//! cargo run -p prometheus-rsocket-client --features prometheus --example axum_service -- tcp://localhost:7001 127.0.0.1:3000 &
//! curl http://localhost:3000/hello/world
//! curl http://localhost:8080/metrics/connected
//! ```

use axum::extract::{MatchedPath, Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Router, routing::get};
use prometheus::{HistogramVec, register_histogram_vec};
use prometheus_rsocket_client::Client;
use std::error::Error;
use std::sync::LazyLock;
use std::time::Instant;

static DURATIONS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let labels = &["path", "status"];
    register_histogram_vec!("http_request_duration_seconds", "Time to answer.", labels).unwrap()
});

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder(argument(1, "PROXY", "tcp://localhost:7001").as_str())?
        .label("application", "axum_service")
        .spawn(prometheus::default_registry())?;
    let hello = |Path(name): Path<String>| async move { format!("Hello, {name}!\n") };
    let app = Router::new().route("/hello/{name}", get(hello)).route_layer(from_fn(measure));
    let listener = tokio::net::TcpListener::bind(argument(2, "LISTEN", "127.0.0.1:3000")).await?;
    println!("listening on {}", listener.local_addr()?);
    let ended = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app).with_graceful_shutdown(ended).await?;
    // The requests since the last scrape count as well.
    client.push_and_close().await?;
    Ok(())
}

async fn measure(path: MatchedPath, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status();
    let duration = DURATIONS.with_label_values(&[path.as_str(), status.as_str()]);
    duration.observe(started.elapsed().as_secs_f64());
    response
}

/// An argument, or else an environment variable.
fn argument(number: usize, variable: &str, default: &str) -> String {
    let value = std::env::args().nth(number).or_else(|| std::env::var(variable).ok());
    value.unwrap_or_else(|| default.to_owned())
}
