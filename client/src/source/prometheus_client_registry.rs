//! Registries of the crate `prometheus-client`.

use super::{MetricsError, Source};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::future::{Future, ready};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The metrics of a registry, in OpenMetrics.
///
/// # Examples
///
/// ```
/// use prometheus_client::metrics::counter::Counter;
/// use prometheus_client::registry::Registry;
/// use prometheus_rsocket_client::Client;
/// use std::sync::Arc;
///
/// let mut registry = Registry::default();
/// let orders = Counter::<u64>::default();
/// registry.register("orders", "Orders taken", orders.clone());
/// orders.inc();
///
/// # #[cfg(feature = "tokio")]
/// # async fn start(registry: Registry) -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder("tcp://localhost:7001")?.spawn(Arc::new(registry))?;
/// # Ok(()) }
/// ```
impl Source for Arc<Registry> {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        ready(text_of(self))
    }
}

/// The metrics of a registry that the application keeps adding to. The lock is held while the metrics are encoded.
impl Source for Arc<Mutex<Registry>> {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        // A panic while the lock was held has at worst left a metric unregistered.
        ready(text_of(&self.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The metrics of a registry that the application keeps adding to. The lock is held for reading while the metrics are encoded.
impl Source for Arc<RwLock<Registry>> {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        ready(text_of(&self.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn text_of(registry: &Registry) -> Result<String, MetricsError> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}
