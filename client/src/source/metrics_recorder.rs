//! The recorder of `metrics-exporter-prometheus` for the crate `metrics`.

use super::{MetricsError, Source};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::future::{Future, ready};
use std::io;
use std::thread;
use std::time::Duration;

/// The metrics of a recorder, in the text format 0.0.4.
///
/// The recorder stores each observation of a histogram until it is scraped, or until [`run_upkeep`](PrometheusHandle::run_upkeep) is called.
/// [`install_metrics_recorder`] takes care of that. An application that installs a recorder in another way has to call it.
impl Source for PrometheusHandle {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        ready(Ok(self.render()))
    }
}

/// The error of installing a recorder for the crate `metrics`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallRecorderError {
    /// There is already a recorder.
    #[error(transparent)]
    Install(#[from] BuildError),
    /// The system cannot start a thread.
    #[error("cannot start a thread for the upkeep of metrics: {0}")]
    Thread(io::Error),
}

/// Installs a recorder for the macros of the crate `metrics`, and returns the [`Source`] of what they record.
///
/// It has the defaults of [`PrometheusBuilder`]: counters keep the names that the application gives them, which should therefore end in
/// `_total`, and histograms become summaries. [`install_metrics_recorder_from`] takes other settings.
///
/// A thread calls [`run_upkeep`](PrometheusHandle::run_upkeep) every 5 seconds, so that histograms do not grow while nobody scrapes. Like the
/// recorder, it stays until the process ends.
///
/// # Errors
///
/// There is already a recorder, or the system cannot start a thread.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use prometheus_rsocket_client::{Client, install_metrics_recorder};
///
/// let recorder = install_metrics_recorder()?;
/// metrics::counter!("orders_total", "kind" => "book").increment(1);
///
/// # #[cfg(feature = "tokio")]
/// # async fn start(recorder: impl prometheus_rsocket_client::Source) -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder("tcp://localhost:7001")?.spawn(recorder)?;
/// # Ok(()) }
/// # Ok(()) }
/// ```
pub fn install_metrics_recorder() -> Result<PrometheusHandle, InstallRecorderError> {
    install_metrics_recorder_from(PrometheusBuilder::new())
}

/// Like [`install_metrics_recorder`], with other settings. The crate of the builder is exported as
/// [`metrics_exporter_prometheus`](crate::metrics_exporter_prometheus).
///
/// # Errors
///
/// Those of [`install_metrics_recorder`].
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use prometheus_rsocket_client::install_metrics_recorder_from;
/// use prometheus_rsocket_client::metrics_exporter_prometheus::PrometheusBuilder;
///
/// let builder = PrometheusBuilder::new().set_buckets(&[0.01, 0.1, 1.0, 10.0])?.with_recommended_naming(true);
/// let recorder = install_metrics_recorder_from(builder)?;
/// # let _ = recorder;
/// # Ok(()) }
/// ```
pub fn install_metrics_recorder_from(
    builder: PrometheusBuilder,
) -> Result<PrometheusHandle, InstallRecorderError> {
    let recorder = builder.install_recorder()?;
    let kept = recorder.clone();
    let keep_up = move || loop {
        thread::sleep(UPKEEP_EVERY);
        kept.run_upkeep();
    };
    thread::Builder::new()
        .name("metrics-upkeep".to_owned())
        .spawn(keep_up)
        .map_err(InstallRecorderError::Thread)?;
    Ok(recorder)
}

/// As often as the exporter's own tasks.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
