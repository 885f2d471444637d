//! The relay's own listener: `/metrics`, `/-/healthy` and `/-/ready`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use prometheus_rsocket_runtime::{
    HyperIo, HyperTimer, Line, Listener, Runtime, sleep_until, timeout,
};
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The state of the relay that its listener shows. Clones show the same.
#[derive(Clone)]
pub(super) struct Watched {
    own_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    connected: Arc<dyn Fn() -> (usize, usize) + Send + Sync>,
}

impl Watched {
    /// `own_metrics` returns the relay's own metrics, and `connected` how many connections to a proxy there are, and how many there should be.
    pub(super) fn new(
        own_metrics: impl Fn() -> String + Send + Sync + 'static,
        connected: impl Fn() -> (usize, usize) + Send + Sync + 'static,
    ) -> Self {
        Self { own_metrics: Arc::new(own_metrics), connected: Arc::new(connected) }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let is_known = matches!(path, "/metrics" | "/-/healthy" | "/-/ready");
        let (status, text) = if is_known && !matches!(*request.method(), Method::GET | Method::HEAD)
        {
            (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned())
        } else {
            match path {
                "/metrics" => (StatusCode::OK, (self.own_metrics)()),
                "/-/healthy" => (StatusCode::OK, "healthy\n".to_owned()),
                "/-/ready" => {
                    let (connected, of) = (self.connected)();
                    // There are no connections yet at the start, and none any more at the end.
                    let is_ready = of > 0 && connected == of;
                    let status =
                        if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                    (status, format!("{connected} of {of} connections to a proxy\n"))
                }
                _ => {
                    let known = "there are /metrics, /-/healthy and /-/ready\n";
                    (StatusCode::NOT_FOUND, known.to_owned())
                }
            }
        };
        let content_type = if path == "/metrics" && status == StatusCode::OK {
            "text/plain; version=0.0.4; charset=utf-8"
        } else {
            "text/plain; charset=utf-8"
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

/// Opens the listener, and logs it.
pub(super) async fn bind<R: Runtime>(runtime: &R, address: SocketAddr) -> io::Result<R::Listener> {
    let listener = runtime.bind(address).await?;
    let address = listener.local_addr()?;
    tracing::info!(listener = "http", %address, "listening");
    Ok(listener)
}

/// Serves the relay's state. Never returns. At most 16 connections are served at a time, one request each, which may take 10 seconds to arrive, and
/// 20 with its answer. Further connections are dropped.
pub(super) async fn serve<R: Runtime>(runtime: R, listener: R::Listener, watched: Watched) {
    let places = Arc::new(());
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep_until(&runtime, runtime.now() + PAUSE).await;
                continue;
            }
        };
        let place = Arc::clone(&places);
        if Arc::strong_count(&places) > MAX_CONNECTIONS + 1 {
            continue;
        }
        let (watched, serving) = (watched.clone(), runtime.clone());
        runtime.spawn(async move {
            let _place = place;
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                ready(Ok::<_, Infallible>(watched.answer(&request)))
            });
            let connection = Builder::new()
                .timer(HyperTimer::new(serving.clone()))
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .keep_alive(false)
                .serve_connection(HyperIo::new(stream), service);
            match timeout(&serving, serving.now() + TIMEOUT, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(error = %Line(error), "HTTP connection broke"),
                Err(_) => tracing::debug!("an HTTP connection took too long"),
            }
        });
    }
}

/// Connections at a time.
const MAX_CONNECTIONS: usize = 16;
/// The time limit for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a connection.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_answers() {
        let watched = |connected| {
            let of = if connected == 0 { 0 } else { 2 };
            Watched::new(|| "own 1\n".to_owned(), move || (connected, of))
        };
        for (method, path, connected, status) in [
            ("GET", "/metrics", 0, 200),
            ("HEAD", "/metrics", 0, 200),
            ("GET", "/metrics?x=y", 0, 200),
            ("POST", "/metrics", 0, 405),
            ("GET", "/-/healthy", 0, 200),
            ("GET", "/-/ready", 2, 200),
            ("GET", "/-/ready", 1, 503),
            ("GET", "/-/ready", 0, 503),
            ("PUT", "/-/ready", 2, 405),
            ("GET", "/", 2, 404),
            ("POST", "/metrics/x", 2, 404),
        ] {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            let answer = watched(connected).answer(&request);
            assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        }
    }
}
