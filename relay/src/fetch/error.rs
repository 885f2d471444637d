use super::ScrapeUrl;
use super::credentials::CredentialsError;
use http::StatusCode;
use prometheus_rsocket_client::TlsError;
use prometheus_rsocket_protocol::exposition::ExpositionError;
use prometheus_rsocket_runtime::JobLost;
use std::io;
use std::time::Duration;

/// Why the program's metrics are not available. The proxy receives its text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{url} cannot be reached: {error}")]
    Connect { url: ScrapeUrl, error: io::Error },
    #[error("{0}")]
    Credentials(CredentialsError),
    #[error("{url} does not speak HTTP: {error}")]
    Http { url: ScrapeUrl, error: hyper::Error },
    #[error("{url} redirects {reason}")]
    Redirect { url: ScrapeUrl, reason: String },
    #[error("{url} answers {status}")]
    Status { url: ScrapeUrl, status: StatusCode },
    #[error(
        "{url} answers {what}, which tells neither the text format nor OpenMetrics; \
         --scrape-format text or --scrape-format openmetrics takes it for that"
    )]
    ContentType { url: ScrapeUrl, what: String },
    #[error("{url} answers in the encoding {encoding:?}; gzip is the only one that is understood")]
    Encoding { url: ScrapeUrl, encoding: String },
    #[error("the answer of {url} breaks off: {error}")]
    Body { url: ScrapeUrl, error: Box<dyn std::error::Error + Send + Sync> },
    #[error("the answer of {url} is longer than {limit} bytes (--max-text-bytes)")]
    TooLong { url: ScrapeUrl, limit: usize },
    #[error("the answer of {url} claims to be gzip, and is not: {error}")]
    Gzip { url: ScrapeUrl, error: io::Error },
    #[error("the answer of {url} is not UTF-8")]
    NotUtf8 { url: ScrapeUrl },
    #[error("the answer of {url} claims to be OpenMetrics, and is not: {error}")]
    NotOpenMetrics { url: ScrapeUrl, error: String },
    #[error("the answer of {url} cannot be filtered: {error}")]
    Filter { url: ScrapeUrl, error: Box<ExpositionError> },
    #[error("{url} has not answered within {within:?}")]
    TimedOut { url: ScrapeUrl, within: Duration },
    #[error("{0}")]
    Tls(TlsError),
    #[error("{0}")]
    Lost(JobLost),
}
