//! HTTP over the simulated network, as a scraper speaks it.

use crate::ledger::At;
use crate::scenario::HTTP_PORT;
use bytes::Bytes;
use flate2::bufread::GzDecoder;
use futures_lite::future::or;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use prometheus_rsocket_proxy::shutdown::{self, ShutdownTrigger};
use prometheus_rsocket_runtime::{HyperIo, Runtime, sleep_until};
use prometheus_rsocket_sim::SimHost;
use std::io::Read;
use std::time::Duration;

/// A connection to the proxy's HTTP side. Dropping it closes it, whatever is under way.
pub(crate) struct Connection {
    host: SimHost,
    sender: SendRequest<Empty<Bytes>>,
    pub(crate) opened: At,
    _alive: ShutdownTrigger,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Get {
    pub(crate) path: String,
    /// Requests only the headers.
    pub(crate) head: bool,
    pub(crate) gzip: bool,
    pub(crate) open_metrics: bool,
    pub(crate) timeout: Duration,
    /// How long to wait before each piece of the answer is read.
    pub(crate) pause: Duration,
    /// Reads only the first piece.
    pub(crate) first: bool,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    /// The body, decoded.
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(host: &SimHost, proxy: &str, now: At) -> Result<Self, String> {
        let stream = host.connect(proxy, HTTP_PORT).await;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        let handshaken = handshake(HyperIo::new(stream)).await;
        let (sender, connection) = handshaken.map_err(|error| error.to_string())?;
        let (alive, ended) = shutdown::channel();
        host.spawn(async move {
            // Errors are reported to the request.
            or(async { drop(connection.await) }, ended.wait()).await;
        });
        Ok(Self { host: host.clone(), sender, opened: now, _alive: alive })
    }

    /// Returns whether another request can be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(crate) async fn get(&mut self, get: Get) -> Result<Got, String> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = get.path.parse().expect("a path");
        if get.head {
            *request.method_mut() = Method::HEAD;
        }
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("proxy"));
        // Together with its address, this identifies the scraper to the proxy.
        headers.insert(USER_AGENT, HeaderValue::from_static("Prometheus/3.0.0"));
        let encoding = if get.gzip { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        if get.open_metrics {
            headers.insert(ACCEPT, HeaderValue::from_static(OPEN_METRICS));
        }
        let seconds = get.timeout.as_secs_f64().to_string();
        let seconds = HeaderValue::try_from(seconds).expect("a number");
        headers.insert("x-prometheus-scrape-timeout-seconds", seconds);
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (status, headers) = (answer.status(), answer.headers());
        let is_gzip = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
        let is_metrics = status == StatusCode::OK && get.path.starts_with("/metrics/");
        if is_metrics && !get.head && is_gzip != get.gzip {
            return Err(format!("asked for {encoding}, and got another encoding"));
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_open_metrics = kind.is_some_and(|kind| kind.starts_with(OPEN_METRICS));
        if is_metrics && is_open_metrics != get.open_metrics {
            return Err(format!("got {kind:?} with open_metrics {}", get.open_metrics));
        }
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        loop {
            if !get.pause.is_zero() {
                sleep_until(&self.host, self.host.now() + get.pause).await;
            }
            match body.frame().await {
                Some(Ok(_)) if get.first => return Err("the rest is not read".to_owned()),
                Some(Ok(frame)) => {
                    bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Some(Err(error)) => return Err(error.to_string()),
                None => break,
            }
        }
        Ok(Got { status, body: if is_gzip && !get.head { gunzip(&bytes)? } else { bytes } })
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text";

/// Decompresses one gzip member. Its checksum has to be right, and nothing may follow it.
fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut decoder = GzDecoder::new(bytes);
    let mut text = Vec::new();
    decoder.read_to_end(&mut text).map_err(|error| format!("no gzip: {error}"))?;
    let rest = decoder.into_inner();
    if rest.is_empty() { Ok(text) } else { Err(format!("{} bytes follow the gzip", rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn one_whole_gzip_member_is_taken_and_nothing_else() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"metrics").unwrap();
        let member = encoder.finish().unwrap();
        assert_eq!(gunzip(&member).unwrap(), b"metrics");
        assert!(gunzip(&member[..member.len() - 1]).is_err());
        assert!(gunzip(&[&member[..], b"x"].concat()).is_err());
        let mut altered = member;
        altered[12] ^= 1;
        assert!(gunzip(&altered).is_err());
    }
}
