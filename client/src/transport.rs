//! From a URL to a stream of frames.

use crate::url::ProxyUrl;
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_runtime::tls::{ClientTls, ClientTlsFiles, MaybeTls};
use prometheus_rsocket_runtime::websocket::{self, WebSocket, WebSocketConfig};
use std::io;

/// A connection to the proxy. Whatever it is made of, its bytes are frames with their length before each.
pub(crate) enum Transport<S> {
    Bytes(MaybeTls<S>),
    Messages(Box<WebSocket<MaybeTls<S>>>),
}

/// Opens a connection: TCP, then TLS, then WebSocket, as the URL says. There is no time limit.
pub(crate) async fn open<R: Runtime>(
    runtime: R,
    proxy: ProxyUrl,
    tls: Option<ClientTls>,
) -> io::Result<Transport<R::Stream>> {
    let stream = runtime.connect(proxy.host(), proxy.port()).await?;
    let stream = if proxy.scheme().is_tls() {
        let tls = fresh(&runtime, tls).await?;
        tls.connect(proxy.host(), stream).await.map_err(|error| at(&proxy, &error))?
    } else {
        MaybeTls::Plain(stream)
    };
    if !proxy.scheme().is_websocket() {
        return Ok(Transport::Bytes(stream));
    }
    let config = WebSocketConfig::default();
    let authority = proxy.authority();
    let stream = websocket::connect(stream, &authority, proxy.path(), &config);
    let stream = stream.await.map_err(|error| at(&proxy, &error))?;
    Ok(Transport::Messages(Box::new(stream)))
}

/// An error that names the proxy. Those of connecting name the host's addresses.
fn at(proxy: &ProxyUrl, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{proxy}: {error}"))
}

/// What to trust, and who we are, as the files are now.
async fn fresh<R: Runtime>(runtime: &R, tls: Option<ClientTls>) -> io::Result<ClientTls> {
    let loading = runtime.unblock(move || match tls {
        None => ClientTls::load(ClientTlsFiles::default()).map_err(io::Error::other),
        Some(tls) => {
            match tls.reload() {
                Ok(true) => tracing::info!("TLS files have changed, and are used from now on"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "changed TLS files cannot be used; going on with the old ones");
                }
            }
            Ok(tls)
        }
    });
    loading.await.map_err(io::Error::other)?
}
