//! Fetches the metrics of a program over HTTP, as Prometheus would.

mod answer;
mod credentials;
mod error;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use answer::{ScrapeFormat, as_text};
pub(crate) use credentials::Credentials;
pub(crate) use error::FetchError;
pub(crate) use url::ScrapeUrl;

use answer::Body;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, LOCATION, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use prometheus_rsocket_client::{ClientTls, ClientTlsFiles};
use prometheus_rsocket_runtime::tls::MaybeTls;
use prometheus_rsocket_runtime::{HyperIo, Runtime, timeout};
use std::time::Duration;

/// Redirects that are followed, one after the other.
const MAX_REDIRECTS: usize = 5;

/// What is fetched, and how.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: ScrapeUrl,
    /// Whom to trust for https; the system's roots if `None`.
    pub(crate) tls: Option<ClientTls>,
    pub(crate) credentials: Credentials,
    /// What an answer is in whose content type does not say.
    pub(crate) fallback: Option<ScrapeFormat>,
    /// The longest text, in bytes and before gzip.
    pub(crate) max_text_bytes: usize,
    pub(crate) timeout: Duration,
}

/// Fetches the metrics of one endpoint.
pub(crate) struct Fetcher<R> {
    runtime: R,
    endpoint: Endpoint,
}

impl<R: Runtime> Fetcher<R> {
    pub(crate) fn new(runtime: R, endpoint: Endpoint) -> Self {
        Self { runtime, endpoint }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Fetches the metrics, over connections of their own, within so much time.
    pub(crate) async fn fetch(&self, within: Duration) -> Result<String, FetchError> {
        let Some(deadline) = self.runtime.now().checked_add(within) else {
            return self.follow(within).await;
        };
        match timeout(&self.runtime, deadline, self.follow(within)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::TimedOut { url: self.endpoint.url.clone(), within }),
        }
    }

    /// Follows redirects to the metrics.
    async fn follow(&self, within: Duration) -> Result<String, FetchError> {
        let mut url = self.endpoint.url.clone();
        let authorization = self.authorization().await?;
        for _ in 0..=MAX_REDIRECTS {
            // Another server has no business with our credentials.
            let authorization =
                authorization.clone().filter(|_| url.has_origin_of(&self.endpoint.url));
            let answer = self.ask(&url, authorization.as_ref(), within).await?;
            if !is_redirect(answer.status()) {
                return self.read(&url, answer).await;
            }
            let location =
                answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = location.ok_or_else(|| FetchError::Redirect {
                url: url.clone(),
                reason: "without saying where to".to_owned(),
            })?;
            let next = url.join(next).map_err(|error| FetchError::Redirect {
                url: url.clone(),
                reason: format!("to {next:?}: {error}"),
            })?;
            if url.is_https() && !next.is_https() && !self.endpoint.credentials.is_none() {
                let reason =
                    format!("to {next}, which would give up TLS, though there are credentials");
                return Err(FetchError::Redirect { url, reason });
            }
            url = next;
        }
        let reason = format!("more than {MAX_REDIRECTS} times");
        Err(FetchError::Redirect { url: self.endpoint.url.clone(), reason })
    }

    /// The credentials as they are in their files now.
    async fn authorization(&self) -> Result<Option<HeaderValue>, FetchError> {
        if self.endpoint.credentials.is_none() {
            return Ok(None);
        }
        let credentials = self.endpoint.credentials.clone();
        let read = self.runtime.unblock(move || credentials.read()).await;
        read.map_err(FetchError::Lost)?.map_err(FetchError::Credentials)
    }

    /// Asks once, and waits for the head of the answer.
    async fn ask(
        &self,
        url: &ScrapeUrl,
        authorization: Option<&HeaderValue>,
        within: Duration,
    ) -> Result<Response<Incoming>, FetchError> {
        let stream = self.connect(url).await?;
        let io = match &stream {
            MaybeTls::Plain(_) => HyperIo::new(stream),
            MaybeTls::Tls(_) => HyperIo::without_vectored_writes(stream),
        };
        let http_error = |error| FetchError::Http { url: url.clone(), error };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(http_error)?;
        self.runtime.spawn(async move {
            // What goes wrong is reported to the request.
            let _ = connection.await;
        });
        let request = request(url, authorization, within);
        sender.send_request(request).await.map_err(http_error)
    }

    async fn connect(&self, url: &ScrapeUrl) -> Result<MaybeTls<R::Stream>, FetchError> {
        let unreachable = |error| FetchError::Connect { url: url.clone(), error };
        let stream = self.runtime.connect(url.host(), url.port()).await.map_err(unreachable)?;
        if !url.is_https() {
            return Ok(MaybeTls::Plain(stream));
        }
        let tls = match &self.endpoint.tls {
            Some(tls) => tls.clone(),
            None => {
                let loading = self.runtime.unblock(|| ClientTls::load(ClientTlsFiles::default()));
                loading.await.map_err(FetchError::Lost)?.map_err(FetchError::Tls)?
            }
        };
        tls.connect(url.host(), stream).await.map_err(unreachable)
    }

    /// Reads the metrics in an answer, and makes them text of 0.0.4.
    async fn read(
        &self,
        url: &ScrapeUrl,
        answer: Response<Incoming>,
    ) -> Result<String, FetchError> {
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status { url: url.clone(), status: answer.status() });
        }
        let (format, is_gzip) = answer::kind(url, answer.headers(), self.endpoint.fallback)?;
        let limit = self.endpoint.max_text_bytes;
        let body = Limited::new(answer.into_body(), limit).collect().await;
        let body =
            body.map_err(|error| match error.downcast::<http_body_util::LengthLimitError>() {
                Ok(_) => FetchError::TooLong { url: url.clone(), limit },
                Err(error) => FetchError::Body { url: url.clone(), error },
            })?;
        let body = Body { url: url.clone(), bytes: body.to_bytes(), format, is_gzip, limit };
        if body.is_text() {
            return body.text();
        }
        self.runtime.unblock(|| body.text()).await.map_err(FetchError::Lost)?
    }
}

fn request(
    url: &ScrapeUrl,
    authorization: Option<&HeaderValue>,
    within: Duration,
) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    // A path and a host that were parsed as parts of a URI are valid here.
    *request.uri_mut() = url.path().parse().unwrap_or_default();
    let headers = request.headers_mut();
    if let Ok(host) = url.host_header().parse() {
        headers.insert(HOST, host);
    }
    headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Ok(seconds) = within.as_secs_f64().to_string().parse() {
        headers.insert("x-prometheus-scrape-timeout-seconds", seconds);
    }
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    request
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Text of 0.0.4 is what every proxy takes, so anything else comes after it.
const ACCEPTED: &str = "text/plain;version=0.0.4;q=0.6,text/plain;version=1.0.0;q=0.5,\
    application/openmetrics-text;version=1.0.0;q=0.3,application/openmetrics-text;version=0.0.1;q=0.2,*/*;q=0.1";
const AGENT: &str = concat!("prometheus-rsocket-client/", env!("CARGO_PKG_VERSION"));
