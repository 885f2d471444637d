use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use prometheus_rsocket_runtime::HyperIo;
use prometheus_rsocket_runtime::Runtime;
use std::fmt;
use std::str::FromStr;

/// Fetches the metrics of a program over HTTP.
pub(crate) struct Relay<R> {
    runtime: R,
    url: ScrapeUrl,
    max_text_bytes: usize,
}

/// Where the program's metrics are: `http://HOST[:PORT]/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScrapeUrl(Uri);

impl FromStr for ScrapeUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = uri.host().unwrap_or_default();
        match uri.scheme_str() {
            Some("https") => Err("only http is relayed; the program is beside this one".to_owned()),
            // They would be shown in logs and to the proxy.
            Some("http") if authority.contains('@') => {
                Err("user names and passwords are not sent".to_owned())
            }
            Some("http") if authority.len() > host.len() && uri.port_u16().is_none() => {
                Err("the port is none".to_owned())
            }
            Some("http") if !host.is_empty() => Ok(Self(uri)),
            _ => Err("it should be http://HOST:PORT/PATH".to_owned()),
        }
    }
}

impl fmt::Display for ScrapeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why the program's metrics cannot be had. The proxy is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("{url} cannot be reached: {error}")]
    Connect { url: ScrapeUrl, error: std::io::Error },
    #[error("{url} does not speak HTTP: {error}")]
    Http { url: ScrapeUrl, error: hyper::Error },
    #[error("{url} answers {status}")]
    Status { url: ScrapeUrl, status: StatusCode },
    #[error("{url} answers {content_type:?}, not text/plain of version 0.0.4")]
    ContentType { url: ScrapeUrl, content_type: String },
    #[error("{url} answers in the encoding {encoding:?}, which was not asked for")]
    Encoding { url: ScrapeUrl, encoding: String },
    #[error("the answer of {url} breaks off, or is longer than {limit} bytes: {error}")]
    Body { url: ScrapeUrl, limit: usize, error: Box<dyn std::error::Error + Send + Sync> },
    #[error("the answer of {url} is not UTF-8")]
    NotUtf8 { url: ScrapeUrl },
}

impl<R: Runtime> Relay<R> {
    pub(crate) fn new(runtime: R, url: ScrapeUrl, max_text_bytes: usize) -> Self {
        Self { runtime, url, max_text_bytes }
    }

    /// Fetches the metrics, over a connection of their own.
    pub(crate) async fn fetch(&self) -> Result<String, RelayError> {
        let url = || self.url.clone();
        let uri = &self.url.0;
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let stream = self
            .runtime
            .connect(host, uri.port_u16().unwrap_or(80))
            .await
            .map_err(|error| RelayError::Connect { url: url(), error })?;
        let http_error = |error| RelayError::Http { url: url(), error };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(HyperIo::new(stream))
            .await
            .map_err(http_error)?;
        self.runtime.spawn(async move {
            // What goes wrong is reported to the request.
            let _ = connection.await;
        });
        let answer = sender.send_request(self.request()).await.map_err(http_error)?;
        if answer.status() != StatusCode::OK {
            return Err(RelayError::Status { url: url(), status: answer.status() });
        }
        if let Some(content_type) = answer.headers().get(CONTENT_TYPE) {
            let content_type = String::from_utf8_lossy(content_type.as_bytes()).into_owned();
            if !is_text_format(&content_type) {
                return Err(RelayError::ContentType { url: url(), content_type });
            }
        }
        if let Some(encoding) = answer.headers().get(CONTENT_ENCODING)
            && encoding != "identity"
        {
            let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
            return Err(RelayError::Encoding { url: url(), encoding });
        }
        let limit = self.max_text_bytes;
        let body = Limited::new(answer.into_body(), limit).collect().await;
        let body = body.map_err(|error| RelayError::Body { url: url(), limit, error })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| RelayError::NotUtf8 { url: url() })
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let uri = &self.url.0;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Empty::new());
        // A path and a host that were parsed as parts of a URI are valid here.
        *request.uri_mut() = path.parse().unwrap_or_default();
        if let Some(host) = uri.authority().and_then(|authority| authority.as_str().parse().ok()) {
            request.headers_mut().insert(HOST, host);
        }
        let accept = http::HeaderValue::from_static("text/plain;version=0.0.4;q=1,*/*;q=0.1");
        request.headers_mut().insert(ACCEPT, accept);
        request
    }
}

/// Whether a Content-Type is that of the text format 0.0.4, which is also what a bare `text/plain` means here.
fn is_text_format(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_plain = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/plain"));
    let mut versions = parts
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("version"));
    is_plain && versions.all(|(_, version)| version.trim_matches('"') == "0.0.4")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_the_text_format_are_known() {
        for content_type in [
            "text/plain",
            "text/plain; version=0.0.4; charset=utf-8",
            "Text/Plain;charset=utf-8",
            "text/plain; Version=\"0.0.4\"",
        ] {
            assert!(is_text_format(content_type), "{content_type}");
        }
        for content_type in [
            "application/openmetrics-text; version=1.0.0",
            "text/html",
            "",
            "text/plain; version=1.0.0",
            "text/plain;VERSION=1.0.0",
        ] {
            assert!(!is_text_format(content_type), "{content_type}");
        }
    }

    #[test]
    fn urls_of_endpoints_are_understood() {
        for url in ["http://localhost:9100/metrics", "http://[::1]/metrics?x=1", "http://host"] {
            assert!(url.parse::<ScrapeUrl>().is_ok(), "{url}");
        }
        for url in [
            "https://localhost/metrics",
            "localhost:9100",
            "/metrics",
            "",
            "http:///x",
            "http://name:secret@localhost/metrics",
            "http://localhost:99999/metrics",
            "http://[::1]:/metrics",
        ] {
            assert!(url.parse::<ScrapeUrl>().is_err(), "{url}");
        }
    }
}
