use crate::fetch::{FetchError, Fetcher, ScrapeUrl};
use prometheus_rsocket_runtime::{Line, Runtime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Stands for a program: has its metrics, and keeps the last ones for when it is gone.
pub(crate) struct Relay<R> {
    fetcher: Fetcher<R>,
    last: Mutex<Option<String>>,
    is_stopping: AtomicBool,
    /// How long the last scrape may take.
    last_timeout: Duration,
}

impl<R: Runtime> Relay<R> {
    pub(crate) fn new(fetcher: Fetcher<R>, last_timeout: Duration) -> Self {
        let last_timeout = last_timeout.min(fetcher.endpoint().timeout);
        Self { fetcher, last: Mutex::new(None), is_stopping: AtomicBool::new(false), last_timeout }
    }

    /// What is fetched.
    pub(crate) fn url(&self) -> &ScrapeUrl {
        &self.fetcher.endpoint().url
    }

    /// From now on the last metrics do where the program gives none any more.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Fetches the program's metrics, and keeps them; within the time of the last scrape if the end is near.
    pub(crate) async fn refresh(&self, is_end_near: bool) -> Result<(), FetchError> {
        let timeout = self.fetcher.endpoint().timeout;
        let within = if is_end_near { self.last_timeout } else { timeout };
        let text = self.fetcher.fetch(within).await?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        Ok(())
    }

    /// The program's metrics.
    pub(crate) async fn metrics(&self) -> Result<String, FetchError> {
        let is_stopping = self.is_stopping.load(Ordering::Relaxed);
        let timeout = self.fetcher.endpoint().timeout;
        let within = if is_stopping { self.last_timeout } else { timeout };
        let fetched = self.fetcher.fetch(within).await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(text) => {
                *last = Some(text.clone());
                Ok(text)
            }
            Err(error) if is_stopping && last.is_some() => {
                tracing::warn!(error = %Line(&error), "no last metrics; those of the scrape before are pushed");
                last.clone().ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}
