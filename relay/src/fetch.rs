//! Fetches the metrics of a program over HTTP, as Prometheus would.

mod answer;
mod credentials;
mod endpoint;
mod error;
mod headers;
mod idle;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use answer::{ScrapeFormat, as_text};
pub(crate) use credentials::Credentials;
pub(crate) use endpoint::{Endpoint, ScrapeOptions, TlsFiles};
pub(crate) use error::FetchError;
pub(crate) use headers::{Headers, MAX_HEADERS, header, pair};
pub(crate) use url::ScrapeUrl;

use answer::Body;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use idle::{Idle, Kept};
use prometheus_rsocket_protocol::exposition::filter::{Filter, Filtered};
use prometheus_rsocket_runtime::tls::MaybeTls;
use prometheus_rsocket_runtime::{HyperIo, Runtime, timeout};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most redirects that are followed for one scrape.
const MAX_REDIRECTS: usize = 5;

/// Fetches the metrics of one endpoint, and keeps one connection to it.
pub(crate) struct Fetcher<R> {
    runtime: R,
    endpoint: Endpoint,
    idle: Idle,
    /// What the filters left out of the last answer.
    left_out: Mutex<LeftOut>,
}

impl<R: Runtime> Fetcher<R> {
    pub(crate) fn new(runtime: R, endpoint: Endpoint) -> Self {
        Self { runtime, endpoint, idle: Idle::default(), left_out: Mutex::default() }
    }

    /// Fetches the metrics within a time limit. Dropping the future also drops the connection that it uses.
    pub(crate) async fn fetch(&self, within: Duration) -> Result<String, FetchError> {
        let Some(deadline) = self.runtime.now().checked_add(within) else {
            return self.follow(within).await;
        };
        match timeout(&self.runtime, deadline, self.follow(within)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::TimedOut { url: self.endpoint.url.clone(), within }),
        }
    }

    /// Requests the metrics, and follows redirects.
    async fn follow(&self, within: Duration) -> Result<String, FetchError> {
        let mut url = self.endpoint.url.clone();
        let private = self.private().await?;
        for _ in 0..=MAX_REDIRECTS {
            // Another server does not get our credentials.
            let shown = Some(&private).filter(|_| url.has_origin_of(&self.endpoint.url));
            let (answer, kept) = self.ask(&url, shown, within).await?;
            if !is_redirect(answer.status()) {
                let body = self.body(&url, answer).await?;
                // The answer was read in full, so the connection can be used again.
                self.idle.keep(kept, self.runtime.now());
                return self.text(body).await;
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
            if url.is_https() && !next.is_https() && !private.is_empty() {
                let reason =
                    format!("to {next}, which would give up TLS, though there are credentials");
                return Err(FetchError::Redirect { url, reason });
            }
            url = next;
        }
        let reason = format!("more than {MAX_REDIRECTS} times");
        Err(FetchError::Redirect { url: self.endpoint.url.clone(), reason })
    }

    /// Returns the credentials and the user's headers, as their files are now.
    async fn private(&self) -> Result<HeaderMap, FetchError> {
        let ScrapeOptions { credentials, headers, .. } = &self.endpoint.options;
        if credentials.is_none() && headers.is_empty() {
            return Ok(HeaderMap::new());
        }
        let (credentials, headers) = (credentials.clone(), headers.clone());
        let reading = self.runtime.unblock(move || {
            let mut private = HeaderMap::new();
            private.extend(credentials.read()?.map(|value| (AUTHORIZATION, value)));
            headers.read(&mut private)?;
            Ok(private)
        });
        reading.await.map_err(FetchError::Lost)?.map_err(FetchError::Credentials)
    }

    /// Requests the metrics, and returns the head of the answer. Uses the kept connection if there is one, and a new one if that is closed by now.
    async fn ask(
        &self,
        url: &ScrapeUrl,
        private: Option<&HeaderMap>,
        within: Duration,
    ) -> Result<(Response<Incoming>, Kept), FetchError> {
        let request = || request(url, private, within);
        let is_own = url.has_origin_of(&self.endpoint.url);
        if is_own
            && let Some(mut kept) = self.idle.take()
            && kept.sender.ready().await.is_ok()
            // Whatever is wrong with the kept connection, a new one may work.
            && let Ok(answer) = kept.sender.send_request(request()).await
        {
            return Ok((answer, kept));
        }
        let stream = self.connect(url).await?;
        let io = match &stream {
            MaybeTls::Plain(_) => HyperIo::new(stream),
            MaybeTls::Tls(_) => HyperIo::without_vectored_writes(stream),
        };
        let http_error = |error| FetchError::Http { url: url.clone(), error };
        let (sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(http_error)?;
        let mut kept = self.idle.run(&self.runtime, sender, connection, is_own);
        let answer = kept.sender.send_request(request()).await.map_err(http_error)?;
        Ok((answer, kept))
    }

    async fn connect(&self, url: &ScrapeUrl) -> Result<MaybeTls<R::Stream>, FetchError> {
        let unreachable = |error| FetchError::Connect { url: url.clone(), error };
        let stream = match url.socket() {
            Some(socket) => self.runtime.connect_unix(socket).await,
            None => self.runtime.connect(url.host(), url.port()).await,
        };
        let stream = stream.map_err(unreachable)?;
        if !url.is_https() {
            return Ok(MaybeTls::Plain(stream));
        }
        let tls = self.endpoint.tls(&self.runtime).await?;
        tls.connect(url.host(), stream).await.map_err(unreachable)
    }

    /// Reads an answer to its end.
    async fn body(&self, url: &ScrapeUrl, answer: Response<Incoming>) -> Result<Body, FetchError> {
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status { url: url.clone(), status: answer.status() });
        }
        let options = &self.endpoint.options;
        let (format, is_gzip) = answer::kind(url, answer.headers(), options.fallback)?;
        let limit = options.max_text_bytes;
        let body = Limited::new(answer.into_body(), limit).collect().await;
        let body =
            body.map_err(|error| match error.downcast::<http_body_util::LengthLimitError>() {
                Ok(_) => FetchError::TooLong { url: url.clone(), limit },
                Err(error) => FetchError::Body { url: url.clone(), error },
            })?;
        Ok(Body { url: url.clone(), bytes: body.to_bytes(), format, is_gzip, limit })
    }

    /// Returns the metrics of an answer without what the filters leave out.
    async fn text(&self, body: Body) -> Result<String, FetchError> {
        let filter = &self.endpoint.options.filter;
        if body.is_text() && filter.is_nothing() {
            return body.text();
        }
        let filter = filter.clone();
        let filtering =
            self.runtime.unblock(move || filtered(&body.url.clone(), body.text()?, &filter));
        let (text, left_out) = filtering.await.map_err(FetchError::Lost)??;
        *self.left_out.lock().unwrap_or_else(PoisonError::into_inner) = left_out;
        Ok(text)
    }

    /// Returns what the filters left out of the last answer; `None` if there are no filters.
    pub(crate) fn left_out(&self) -> Option<LeftOut> {
        if self.endpoint.options.filter.is_nothing() {
            return None;
        }
        Some(*self.left_out.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What filters leave out of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LeftOut {
    pub(crate) families: usize,
    pub(crate) series: usize,
    /// Series that equal others once the dropped labels are gone.
    pub(crate) duplicates: usize,
}

fn filtered(
    url: &ScrapeUrl,
    text: String,
    filter: &Filter,
) -> Result<(String, LeftOut), FetchError> {
    if filter.is_nothing() {
        return Ok((text, LeftOut::default()));
    }
    let filtered = filter.apply(&text);
    let filtered =
        filtered.map_err(|error| FetchError::Filter { url: url.clone(), error: error.into() })?;
    let Filtered { families, series, duplicates, .. } = filtered;
    tracing::debug!(%url, families, series, duplicates, "left out by the filters");
    Ok((filtered.text, LeftOut { families, series, duplicates }))
}

fn request(
    url: &ScrapeUrl,
    private: Option<&HeaderMap>,
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
    // They may also replace headers that are the same in all requests.
    headers.extend(private.cloned().unwrap_or_default());
    request
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// All proxies accept the text format 0.0.4, so it is preferred.
const ACCEPTED: &str = "text/plain;version=0.0.4;q=0.6,text/plain;version=1.0.0;q=0.5,\
    application/openmetrics-text;version=1.0.0;q=0.3,application/openmetrics-text;version=0.0.1;q=0.2,*/*;q=0.1";
const AGENT: &str = concat!("prometheus-rsocket-client/", env!("CARGO_PKG_VERSION"));
