use super::{Listed, Negotiated, ScrapeBody, ScrapeTimeouts};
use crate::status::{AppPage, Overview, Query};
use prometheus_rsocket_protocol::collector::Scraper;
use prometheus_rsocket_runtime::JobLost;
use std::{
    fmt::{self, Display},
    future::Future,
    net::IpAddr,
    time::{Duration, Instant},
};

/// The proxy's core, as the HTTP side sees it.
pub trait Backend: Send + Sync + 'static {
    /// Begins a scrape of all applications.
    ///
    /// If the scraper disconnects, the future is dropped, or later the body, which its sender notices.
    fn scrape(
        &self,
        request: ScrapeRequest,
    ) -> impl Future<Output = Result<ScrapeBody, ScrapeRefused>> + Send;

    /// Scrapes one application, by its path after `/metrics/app/`. Resolves once its answer is there.
    fn scrape_app(
        &self,
        path: &str,
        request: ScrapeRequest,
    ) -> impl Future<Output = Result<ScrapeBody, AppFailure>> + Send;

    /// Returns the applications that are to be scraped one by one, in a stable order.
    fn listed(&self) -> Vec<Listed>;

    /// Returns the proxy's own metrics in the text format 0.0.4.
    fn own_metrics(&self) -> String;

    /// Returns the time limits of scrapes, as they are configured now.
    fn timeouts(&self) -> ScrapeTimeouts;

    /// Returns whether the proxy should be scraped now.
    fn readiness(&self) -> Readiness;

    /// Gathers the data of the page at `/`, and calls `make` with it, both away from the event loop. Callers are served one after the other, since
    /// the data is a copy of all that is known of the applications.
    fn overview<T: Send + 'static>(
        &self,
        query: Query,
        make: impl FnOnce(&Overview) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send;

    /// Does the same for one application, by its path after `/app/`. The application is asked for its metrics, which takes up to three seconds.
    /// Returns `None` if there is no such application, or no longer.
    fn app_page<T: Send + 'static>(
        &self,
        path: &str,
        peer: IpAddr,
        make: impl FnOnce(&AppPage) -> T + Send + 'static,
    ) -> impl Future<Output = Result<Option<T>, JobLost>> + Send;
}

/// A request for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// The address that it comes from.
    pub peer: IpAddr,
    /// The scraper.
    pub scraper: Scraper,
    /// The format of the body.
    pub format: Negotiated,
    /// Answers that have not arrived by then are left out. The time for sending the answer is already deducted.
    pub deadline: Instant,
    /// Whether the scraper accepts gzip, so that the body may be compressed.
    pub gzip: bool,
}

/// The proxy cannot scrape now. The scraper is answered with status 503 and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeRefused {
    /// The reason, in one line.
    pub reason: &'static str,
    /// How long the scraper should wait before it tries again.
    pub retry_after: Duration,
}

/// Why the metrics of one application are not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppFailure {
    /// The application is down.
    Down {
        /// From a fixed set: see [`ScrapeFailure::reason`](prometheus_rsocket_protocol::collector::ScrapeFailure::reason).
        reason: &'static str,
        /// An explanation for people, in one line.
        message: String,
    },
    /// The proxy cannot scrape now.
    Refused(ScrapeRefused),
    /// There is no application with this path, or no longer.
    Unknown,
}

/// Whether the proxy should be scraped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// No longer: it is about to stop.
    Draining,
    /// Yes.
    Ready,
    /// Not yet.
    Starting,
}

impl Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "draining: the proxy is shutting down",
            Self::Ready => "ready",
            Self::Starting => "starting: not all listeners are open yet",
        })
    }
}
