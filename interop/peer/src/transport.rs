//! Streams of frames, over TCP or WebSocket.

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use prometheus_rsocket_runtime::websocket::{self, WebSocket, WebSocketConfig};
use prometheus_rsocket_runtime::{HyperIo, Runtime};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// A connection that reads and writes frames behind their lengths.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// Where a server is: `tcp://HOST:PORT` or `ws://HOST:PORT/PATH`.
#[derive(Clone, Debug)]
pub(crate) struct Url {
    host: String,
    port: u16,
    /// Over WebSocket.
    path: Option<String>,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text.parse().map_err(|error| format!("{error}"))?;
        let host = uri.host().ok_or("it names no host")?.to_owned();
        let port = uri.port_u16().ok_or("it names no port")?;
        let path = match uri.scheme_str() {
            Some("tcp") => None,
            Some("ws") => Some(uri.path().to_owned()),
            _ => return Err("it begins with neither tcp:// nor ws://".to_owned()),
        };
        Ok(Self { host, port, path })
    }
}

/// Connects to a server.
pub(crate) async fn open<R: Runtime>(runtime: &R, url: &Url) -> io::Result<Pin<Box<dyn Stream>>> {
    let stream = runtime.connect(&url.host, url.port).await?;
    let Some(path) = &url.path else { return Ok(Box::pin(stream)) };
    let authority = format!("{}:{}", url.host, url.port);
    let config = WebSocketConfig::default();
    Ok(Box::pin(websocket::connect(stream, &authority, path, &config).await?))
}

/// Makes a WebSocket of a connection whose client asks for one.
pub(crate) async fn upgrade<S>(stream: S) -> io::Result<WebSocket<S>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgrade: Mutex<Option<OnUpgrade>> = Mutex::new(None);
    let service = service_fn(|mut request: Request<Incoming>| {
        let response = websocket::answer(&request).unwrap_or_else(|refusal| refusal.response());
        let upgrade_of = hyper::upgrade::on(&mut request);
        *upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade_of);
        std::future::ready(Ok::<Response<Empty<Bytes>>, Infallible>(
            response.map(|()| Empty::new()),
        ))
    });
    let http = Builder::new().auto_date_header(false).header_read_timeout(None).clone();
    http.serve_connection(HyperIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(io::Error::other)?;
    let upgrade = upgrade.into_inner().unwrap_or_else(PoisonError::into_inner);
    let upgraded = upgrade.ok_or(io::ErrorKind::UnexpectedEof)?.await.map_err(io::Error::other)?;
    let parts =
        upgraded.downcast::<HyperIo<S>>().map_err(|_| io::Error::other("not our stream"))?;
    Ok(WebSocket::server(parts.io.into_inner(), parts.read_buf, &WebSocketConfig::default()))
}
