use crate::fetch::{FetchError, Fetcher, LeftOut};
use crate::targets::Target;
use prometheus_rsocket_runtime::{Line, Runtime};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stands for a program: fetches its metrics, and keeps the last ones for when it is gone.
pub(crate) struct Relay<R> {
    target: Target,
    fetcher: Fetcher<R>,
    last: Mutex<Option<String>>,
    is_stopping: AtomicBool,
    /// The time limit of the last scrape.
    last_timeout: Duration,
}

impl<R: Runtime> Relay<R> {
    pub(crate) fn new(target: Target, fetcher: Fetcher<R>, last_timeout: Duration) -> Self {
        let last_timeout = last_timeout.min(target.options.timeout);
        let is_stopping = AtomicBool::new(false);
        Self { target, fetcher, last: Mutex::new(None), is_stopping, last_timeout }
    }

    /// Returns the target.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns what the filters left out of the last scrape, as metrics; empty if there are no filters.
    pub(crate) fn left_out(&self) -> String {
        let Some(LeftOut { families, series, duplicates }) = self.fetcher.left_out() else {
            return String::new();
        };
        let mut text = String::new();
        for (name, of, value) in [
            ("families", "Families that the filters left out", families),
            ("series", "Series of families that the filters left out", series),
            (
                "duplicates",
                "Series that equal others without the dropped labels, and were left out",
                duplicates,
            ),
        ] {
            let name = format_args!("prometheus_rsocket_client_filtered_{name}");
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "# HELP {name} {of} of the last scrape.\n# TYPE {name} gauge\n{name} {value}\n"
            );
        }
        text
    }

    /// From now on, the previous metrics are used if the program returns none.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Fetches the program's metrics and keeps them. If the end is near, the time limit is that of the last scrape.
    pub(crate) async fn refresh(&self, is_end_near: bool) -> Result<(), FetchError> {
        let timeout = self.target.options.timeout;
        let within = if is_end_near { self.last_timeout } else { timeout };
        let text = self.fetcher.fetch(within).await?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        Ok(())
    }

    /// Returns the program's metrics, for a scrape that began at `began`.
    pub(crate) async fn metrics(&self, began: Instant, now: Instant) -> Result<String, FetchError> {
        let is_stopping = self.is_stopping.load(Ordering::Relaxed);
        let timeout = if is_stopping { self.last_timeout } else { self.target.options.timeout };
        let within = timeout.saturating_sub(now.saturating_duration_since(began));
        let fetched = self.fetcher.fetch(within).await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(text) => {
                *last = Some(text.clone());
                Ok(text)
            }
            Err(error) if is_stopping && last.is_some() => {
                tracing::warn!(error = %Line(&error), "cannot fetch the last metrics; pushing those of the previous scrape");
                last.clone().ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}
