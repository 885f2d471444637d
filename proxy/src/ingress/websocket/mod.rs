//! The upgrade before RSocket over WebSocket: one HTTP/1.1 request.

mod error;
mod recording;
#[cfg(test)]
mod tests;

pub(crate) use error::UpgradeError;

use super::rsocket::FULL;
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    server::conn::http1::Builder,
    service::service_fn,
    upgrade::OnUpgrade,
};
use prometheus_rsocket_runtime::{
    HyperIo, Runtime, timeout,
    websocket::{self, Refusal, WebSocket, WebSocketConfig},
};
use recording::Recording;
use std::{
    convert::Infallible,
    future::ready,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The configuration of the upgrade.
#[derive(Clone, Debug)]
pub(crate) struct UpgradeConfig {
    /// The only path that is accepted, compared without the query; `None`, the default, for any, as in the original.
    pub(crate) path: Option<String>,
    /// A sentence for people who open this port in a browser: where the metrics are. Empty for none.
    pub(crate) hint: String,
    /// There is no place for another connection: requests for a WebSocket are answered with 503.
    pub(crate) is_full: bool,
    /// The limits of the WebSocket.
    pub(crate) websocket: WebSocketConfig,
}

/// Reads one request from `stream` and answers it. Returns the WebSocket if the request is valid and asks for one.
///
/// The head of the request may have 16 KiB. There is no time limit; put [`timeout`] around it. Dropping the future closes the connection. A client
/// that is refused is told why, and has a second to read that before the connection is dropped.
pub(crate) async fn upgrade<R, S>(
    runtime: &R,
    stream: S,
    config: &UpgradeConfig,
) -> Result<WebSocket<S>, UpgradeError>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    upgrade_with(runtime, stream, config, |_| ()).await
}

/// Does the same, and shows the headers of the request, whatever becomes of it.
pub(crate) async fn upgrade_with<R, S>(
    runtime: &R,
    stream: S,
    config: &UpgradeConfig,
    on_request: impl Fn(&HeaderMap) + Send + Sync,
) -> Result<WebSocket<S>, UpgradeError>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let desk = Desk { config, outcome: Mutex::new(None) };
    let service = service_fn(|request: Request<Incoming>| {
        on_request(request.headers());
        ready(Ok::<_, Infallible>(desk.serve(request)))
    });
    // Refusals say `Connection: close`. Turning keep-alive off would add that to the 101 as well.
    let mut connection = Builder::new()
        .auto_date_header(false)
        .header_read_timeout(None)
        .max_buf_size(HEAD_MAX)
        // TLS would make a record of each piece.
        .serve_connection(HyperIo::without_vectored_writes(Recording::new(stream)), service)
        .with_upgrades();
    let served = (&mut connection).await;
    // There is none if the connection was upgraded.
    let recording = connection.into_parts().map(|parts| parts.io.into_inner());
    let outcome = desk.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    let error = match (served, outcome) {
        (Ok(()), Some(Ok(upgrade))) => return finish(upgrade, config).await,
        (Ok(()), Some(Err(error))) => error,
        (Ok(()), None) => UpgradeError::Eof,
        (Err(error), _) => UpgradeError::of_hyper(&error, recording.as_ref().map(Recording::first)),
    };
    if error.is_answered()
        && let Some(recording) = recording
    {
        let deadline = runtime.now() + LINGER;
        // The outcome is the same whether or not the client ends in time.
        let _ = timeout(runtime, deadline, part(recording.into_inner())).await;
    }
    Err(error)
}

/// Takes the stream back from hyper, with the bytes that hyper has read after the request.
async fn finish<S>(upgrade: OnUpgrade, config: &UpgradeConfig) -> Result<WebSocket<S>, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgraded = upgrade.await.map_err(|error| UpgradeError::of_hyper(&error, None))?;
    match upgraded.downcast::<HyperIo<Recording<S>>>() {
        Ok(parts) => {
            let stream = parts.io.into_inner().into_inner();
            Ok(WebSocket::server(stream, parts.read_buf, &config.websocket))
        }
        Err(_) => Err(UpgradeError::of_io(io::Error::other("the upgraded stream is not ours"))),
    }
}

/// Ends our half of the connection, then reads and discards data until the client ends its half. Dropping a stream with unread data would reset the
/// connection, perhaps before the client has read the answer.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    // hyper has done so, unless it had nothing to answer.
    if stream.close().await.is_err() {
        return;
    }
    let (mut forgotten, mut buf) = (0, [0; 1024]);
    while let Ok(len @ 1..) = stream.read(&mut buf).await {
        forgotten += len;
        if forgotten > FORGET_MAX {
            return;
        }
    }
}

/// Answers the one request.
struct Desk<'a> {
    config: &'a UpgradeConfig,
    /// What became of the request, once there was one.
    outcome: Mutex<Option<Result<OnUpgrade, UpgradeError>>>,
}

impl Desk<'_> {
    fn serve(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (error, response) = self.decide(&request);
        let response = match &error {
            None => response.map(|()| Full::default()),
            Some(error) => self.tell(error, response),
        };
        let outcome = error.map_or_else(|| Ok(hyper::upgrade::on(&mut request)), Err);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        response
    }

    fn decide(&self, request: &Request<Incoming>) -> (Option<UpgradeError>, Response<()>) {
        let response = match websocket::answer(request) {
            Ok(response) => response,
            Err(refusal) => {
                let response = refusal.response();
                let error = match refusal {
                    Refusal::NotWebSocket => UpgradeError::NotWebSocket,
                    _ => UpgradeError::Refused(response.status(), refusal.to_string()),
                };
                return (Some(error), response);
            }
        };
        let (status, why) = match &self.config.path {
            _ if !request.body().is_end_stream() => {
                (StatusCode::BAD_REQUEST, "a request to upgrade has no body".into())
            }
            _ if self.config.is_full => (StatusCode::SERVICE_UNAVAILABLE, FULL.into()),
            Some(path) if path != request.uri().path() => {
                let why = format!("RSocket over WebSocket is on the path {path}, and nothing else");
                (StatusCode::NOT_FOUND, why)
            }
            Some(_) | None => return (None, response),
        };
        let mut response = Response::new(());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        (Some(UpgradeError::Refused(status, why)), response)
    }

    /// Says what is wrong.
    fn tell(&self, error: &UpgradeError, response: Response<()>) -> Response<Full<Bytes>> {
        let text = match error {
            UpgradeError::NotWebSocket => {
                let what = "This is the port where applications connect by RSocket over WebSocket.";
                [what, &self.config.hint].join(" ")
            }
            UpgradeError::Refused(_, why) => why.clone(),
            UpgradeError::Eof | UpgradeError::Io(..) | UpgradeError::NotHttp(..) => {
                error.to_string()
            }
        };
        let mut response = response.map(|()| Full::from(format!("{}\n", text.trim_end())));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        response
    }
}

/// The longest head of a request, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// When a client without a place may try again.
const RETRY_AFTER_SECONDS: &str = "10";

/// How long a refused client may take to read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// How much of what a refused client keeps sending is read and discarded, in bytes.
const FORGET_MAX: usize = 1024 * 1024;
