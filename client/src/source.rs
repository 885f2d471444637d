//! Sources of metrics.

mod joined;
#[cfg(feature = "metrics")]
mod metrics_recorder;
#[cfg(feature = "prometheus-client")]
mod prometheus_client_registry;
#[cfg(feature = "prometheus")]
mod prometheus_registry;

pub use joined::{JoinError, Joined};
#[cfg(feature = "metrics")]
pub use metrics_recorder::{
    InstallRecorderError, install_metrics_recorder, install_metrics_recorder_from,
};

use futures_lite::FutureExt;
use std::error::Error;
use std::fmt;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

/// The error of a source; the proxy receives its text. Any error converts to it by `?`.
pub type MetricsError = Box<dyn Error + Send + Sync>;

/// The source of a client's metrics. It is asked once for each scrape and for each push.
///
/// These are sources:
///
/// * a closure that returns [`IntoMetrics`]: a `String`, or a `Result` with one;
/// * [`from_async`], for a closure that returns a future of that;
/// * with the features of the same names, registries of the crates `prometheus` and `prometheus-client`, and `metrics`' recorder: see the
///   [front page](crate#sources);
/// * [`Joined`], several of these in one;
/// * [`Filtered`](crate::Filtered), a source without some of its metrics.
///
/// The text is in the Prometheus text format 0.0.4, or in OpenMetrics 1.0 if it ends with the line `# EOF`. For a proxy that speaks version 1 of the
/// envelope, as the original Java proxy does, OpenMetrics is converted to 0.0.4, which has neither exemplars nor the types `info` and `stateset`.
///
/// # Examples
///
/// A source of your own:
///
/// ```
/// use prometheus_rsocket_client::{MetricsError, Source};
///
/// struct Uptime(std::time::Instant);
///
/// impl Source for Uptime {
///     fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
///         let seconds = self.0.elapsed().as_secs_f64();
///         std::future::ready(Ok(format!("uptime_seconds {seconds}\n")))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of metrics",
    label = "not a source of metrics",
    note = "a closure is one if it takes nothing and returns `String` or `Result<String, E>`: `|| \"jobs_total 1\\n\".to_owned()`",
    note = "put a closure that returns a future into `from_async`: `from_async(|| async {{ … }})`",
    note = "a registry is one with the feature of its crate: `prometheus`, `prometheus-client` or `metrics`"
)]
pub trait Source: Send + 'static {
    /// Returns the current metrics. The call runs on a thread of the runtime that may block, so it may compute and wait. The returned future is
    /// polled once there. If it is still pending, the event loop polls it from then on, so it must not compute or block for longer than a few
    /// milliseconds. The call and the future together may take until [`metrics_timeout`](crate::ClientBuilder::metrics_timeout). If either panics,
    /// this one scrape fails.
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static;
}

/// The return type of a closure that is a [`Source`]: a `String`, or a `Result` of one whose error becomes a [`MetricsError`].
///
/// # Examples
///
/// ```
/// use prometheus_rsocket_client::Source;
///
/// fn a_source(_: impl Source) {}
///
/// a_source(|| "jobs_total 1\n".to_owned());
/// a_source(|| std::fs::read_to_string("/var/lib/jobs/metrics.prom"));
/// ```
#[diagnostic::on_unimplemented(
    message = "a source's closure cannot return `{Self}`",
    label = "this closure returns `{Self}`",
    note = "it returns `String`, or `Result<String, E>` where `E` converts to `Box<dyn std::error::Error + Send + Sync>`",
    note = "if it returns a future, put it into `from_async`: `from_async(|| async {{ … }})`"
)]
pub trait IntoMetrics {
    /// Returns the text, or the error.
    fn into_metrics(self) -> Result<String, MetricsError>;
}

impl IntoMetrics for String {
    fn into_metrics(self) -> Result<String, MetricsError> {
        Ok(self)
    }
}

impl<E: Into<MetricsError>> IntoMetrics for Result<String, E> {
    fn into_metrics(self) -> Result<String, MetricsError> {
        self.map_err(Into::into)
    }
}

impl<M, T> Source for M
where
    M: FnMut() -> T + Send + 'static,
    T: IntoMetrics,
{
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        ready(self().into_metrics())
    }
}

/// Returns a source made from a closure that returns a future.
///
/// # Examples
///
/// ```
/// use prometheus_rsocket_client::{MetricsError, Source, from_async};
///
/// async fn rows() -> Result<u64, std::io::Error> {
///     Ok(42)
/// }
///
/// fn source() -> impl Source {
///     from_async(|| async { Ok::<_, MetricsError>(format!("rows {}\n", rows().await?)) })
/// }
/// ```
pub fn from_async<M, F>(metrics: M) -> FromAsync<M>
where
    M: FnMut() -> F + Send + 'static,
    F: Future<Output: IntoMetrics> + Send + 'static,
{
    FromAsync(metrics)
}

/// The [`Source`] that [`from_async`] returns.
#[derive(Clone)]
pub struct FromAsync<M>(M);

impl<M> fmt::Debug for FromAsync<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromAsync")
    }
}

impl<M, F> Source for FromAsync<M>
where
    M: FnMut() -> F + Send + 'static,
    F: Future<Output: IntoMetrics> + Send + 'static,
{
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        let metrics = (self.0)();
        async move { metrics.await.into_metrics() }
    }
}

pub(crate) type Fetching = Pin<Box<dyn Future<Output = Result<String, MetricsError>> + Send>>;

/// A source of any type.
pub(crate) trait DynSource: Send {
    /// Asks for the metrics. A panic in the application's code becomes an error.
    fn fetch(&mut self) -> Fetching;
}

impl<S: Source> DynSource for S {
    fn fetch(&mut self) -> Fetching {
        let asking = || -> Fetching { Box::pin(self.metrics()) };
        let metrics = catch_unwind(AssertUnwindSafe(asking));
        Box::pin(async move {
            let text = match metrics {
                Ok(metrics) => AssertUnwindSafe(metrics).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            text.unwrap_or_else(|_| Err("the application panicked over its metrics".into()))
        })
    }
}
