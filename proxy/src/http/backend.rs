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

/// What stands behind the HTTP side: the proxy's core.
pub trait Backend: Send + Sync + 'static {
    /// Begins a scrape of all applications.
    ///
    /// If the scraper goes away, the future is dropped; or later the body, which its sender then learns.
    fn scrape(
        &self,
        request: ScrapeRequest,
    ) -> impl Future<Output = Result<ScrapeBody, ScrapeRefused>> + Send;

    /// Scrapes one application, by its path behind `/metrics/app/`. Returns once its answer is there.
    fn scrape_app(
        &self,
        path: &str,
        request: ScrapeRequest,
    ) -> impl Future<Output = Result<ScrapeBody, AppFailure>> + Send;

    /// The applications that are to be scraped one by one, in a stable order.
    fn listed(&self) -> Vec<Listed>;

    /// The proxy's own metrics in the text format 0.0.4.
    fn own_metrics(&self) -> String;

    /// How long scrapes may take, as it is configured now.
    fn timeouts(&self) -> ScrapeTimeouts;

    /// Whether scrapes make sense now.
    fn readiness(&self) -> Readiness;

    /// Gathers what the page at `/` tells, and has `make` make something of it, both away from the event loop. One after the other, however
    /// many ask: what is gathered is a copy of all that is known of the applications.
    fn overview<T: Send + 'static>(
        &self,
        query: Query,
        make: impl FnOnce(&Overview) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send;

    /// The same for one application, by its path behind `/app/`. It is asked for its metrics, which takes up to three seconds. `None` if
    /// there is none, or no longer.
    fn app_page<T: Send + 'static>(
        &self,
        path: &str,
        peer: IpAddr,
        make: impl FnOnce(&AppPage) -> T + Send + 'static,
    ) -> impl Future<Output = Result<Option<T>, JobLost>> + Send;
}

/// A scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// From where it comes.
    pub peer: IpAddr,
    /// Who scrapes.
    pub scraper: Scraper,
    /// The format of the body.
    pub format: Negotiated,
    /// What has not arrived by then is left out; the time to send the answer is already taken off.
    pub deadline: Instant,
    /// Whether the scraper reads gzip, and so whether the body may be.
    pub gzip: bool,
}

/// The proxy cannot scrape now. The scraper is told so, and why, with status 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeRefused {
    /// One line.
    pub reason: &'static str,
    /// When to come again.
    pub retry_after: Duration,
}

/// Why the metrics of one application are not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppFailure {
    /// The application is down.
    Down {
        /// From a fixed set: see
        /// [`ScrapeFailure::reason`](prometheus_rsocket_protocol::collector::ScrapeFailure::reason).
        reason: &'static str,
        /// One line for people.
        message: String,
    },
    /// The proxy cannot scrape now.
    Refused(ScrapeRefused),
    /// There is no application of this path, or no longer.
    Unknown,
}

/// Whether the proxy should be asked for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not any more: it is about to end.
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
