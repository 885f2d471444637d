//! Registries of the crate `prometheus`.

use super::{MetricsError, Source};
use prometheus::{Registry, TextEncoder};
use std::future::{Future, ready};

/// The metrics of a registry, in the text format 0.0.4. Clones of a registry share its metrics, so the application keeps one and passes on the other.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use prometheus::{IntCounter, Registry};
/// use prometheus_rsocket_client::Client;
///
/// let registry = Registry::new();
/// let orders = IntCounter::new("orders_total", "Orders taken.")?;
/// registry.register(Box::new(orders.clone()))?;
/// orders.inc();
///
/// # #[cfg(feature = "tokio")]
/// # async fn start(registry: Registry) -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder("tcp://localhost:7001")?.spawn(registry)?;
/// # Ok(()) }
/// # Ok(()) }
/// ```
impl Source for Registry {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        ready(encode(self))
    }
}

/// The metrics of [`prometheus::default_registry`], where the macros such as `register_int_counter!` register theirs.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// use prometheus_rsocket_client::Client;
///
/// let client = Client::builder("tcp://localhost:7001")?.spawn(prometheus::default_registry())?;
/// # Ok(()) }
/// ```
impl Source for &'static Registry {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        ready(encode(self))
    }
}

fn encode(registry: &Registry) -> Result<String, MetricsError> {
    let mut text = String::new();
    TextEncoder::new().encode_utf8(&registry.gather(), &mut text)?;
    Ok(text)
}
