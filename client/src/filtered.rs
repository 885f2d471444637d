use crate::source::{MetricsError, Source};
use prometheus_rsocket_protocol::exposition::filter::Filter;
use std::sync::Arc;

/// A source without the families, labels and help texts that a [`Filter`] leaves out. These are never sent.
///
/// # Examples
///
/// ```
/// use prometheus_rsocket_client::{Filter, Filtered, Source};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut filter = Filter::default();
/// filter.deny("debug_*".parse()?)?;
/// let source = Filtered::new(|| "jobs_total 1\ndebug_steps 2\n".to_owned(), filter);
/// # fn a_source(_: impl Source) {}
/// # a_source(source);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Filtered<S> {
    source: S,
    filter: Arc<Filter>,
}

impl<S: Source> Filtered<S> {
    /// Returns the source with a filter.
    pub fn new(source: S, filter: Filter) -> Self {
        Self { source, filter: Arc::new(filter) }
    }
}

impl<S: Source> Source for Filtered<S> {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        let (metrics, filter) = (self.source.metrics(), Arc::clone(&self.filter));
        async move {
            let text = metrics.await?;
            // A text that cannot be read is not sent, since it is unknown what to leave out of it.
            Ok(filter.apply(&text)?.text)
        }
    }
}
