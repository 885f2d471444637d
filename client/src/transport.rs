//! From a URL to a stream of frames.

use crate::config::Config;
use crate::run::within;
use crate::tunnel::{self, Route};
use crate::url::ProxyUrl;
#[cfg(feature = "_tls")]
use prometheus_rsocket_runtime::tls::{ClientTls, ClientTlsFiles, MaybeTls};
#[cfg(feature = "websocket")]
use prometheus_rsocket_runtime::websocket::{self, WebSocket, WebSocketConfig};
use prometheus_rsocket_runtime::{Elapsed, Runtime};
use std::future::Future;
use std::io;

/// A stream, with or without TLS.
#[cfg(feature = "_tls")]
type Secured<S> = MaybeTls<S>;
#[cfg(not(feature = "_tls"))]
type Secured<S> = S;

/// A connection to the proxy. To its user, each is a stream of length-prefixed frames.
pub(crate) enum Transport<S> {
    Bytes(Secured<S>),
    #[cfg(feature = "websocket")]
    Messages(Box<WebSocket<Secured<S>>>),
}

/// Opens a transport to a proxy, within `connect_timeout`.
pub(crate) fn open<R: Runtime>(
    runtime: R,
    proxy: usize,
    config: &Config,
) -> impl Future<Output = io::Result<Transport<R::Stream>>> + Send + use<R> {
    let (time, route) = (config.connect_timeout, config.route.clone());
    #[cfg(feature = "_tls")]
    let tls = config.tls.clone();
    #[cfg(not(feature = "_tls"))]
    let tls = ();
    let proxy = config.proxies.at(proxy).clone();
    let withholds_token = config.withholds_token(&proxy);
    async move {
        if withholds_token {
            let text = format!("{proxy}: {TOKEN_IN_CLEAR}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let opening = connect(runtime.clone(), proxy.clone(), route, tls);
        within(&runtime, time, opening).await.unwrap_or_else(|Elapsed| {
            let text = format!("{proxy} was not reached within {time:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }
}

const TOKEN_IN_CLEAR: &str =
    "the token is not shown to a proxy that is reached neither by TLS nor on this machine";

/// Opens a connection: TCP, with a tunnel on the way if there is an HTTP proxy, then TLS, then WebSocket, as the URL says. There is no time limit.
async fn connect<R: Runtime>(
    runtime: R,
    proxy: ProxyUrl,
    route: Route,
    tls: Tls,
) -> io::Result<Transport<R::Stream>> {
    proxy.check_is_built_in().map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))?;
    let stream = tunnel::connect(&runtime, &route, &proxy).await?;
    let stream = secured(&runtime, &proxy, tls, stream).await?;
    #[cfg(feature = "websocket")]
    if proxy.scheme().is_websocket() {
        let config = WebSocketConfig::default();
        let authority = proxy.authority();
        let stream = websocket::connect(stream, &authority, proxy.path(), &config);
        let stream = stream.await.map_err(|error| at(&proxy, &error))?;
        return Ok(Transport::Messages(Box::new(stream)));
    }
    Ok(Transport::Bytes(stream))
}

#[cfg(feature = "_tls")]
type Tls = Option<ClientTls>;
#[cfg(not(feature = "_tls"))]
type Tls = ();

#[cfg(not(feature = "_tls"))]
async fn secured<R: Runtime>(
    _: &R,
    _: &ProxyUrl,
    (): Tls,
    stream: R::Stream,
) -> io::Result<Secured<R::Stream>> {
    Ok(stream)
}

#[cfg(feature = "_tls")]
async fn secured<R: Runtime>(
    runtime: &R,
    proxy: &ProxyUrl,
    tls: Tls,
    stream: R::Stream,
) -> io::Result<Secured<R::Stream>> {
    if !proxy.scheme().is_tls() {
        return Ok(MaybeTls::Plain(stream));
    }
    let tls = fresh(runtime, tls).await?;
    tls.connect(proxy.host(), stream).await.map_err(|error| at(proxy, &error))
}

#[cfg(any(feature = "_tls", feature = "websocket"))]
/// Adds the proxy to an error. Errors of connecting already name the host's addresses.
fn at(proxy: &ProxyUrl, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{proxy}: {error}"))
}

/// Returns the TLS settings with the present contents of their files. Files that cannot be used are logged, and the previous ones stay in use.
#[cfg(feature = "_tls")]
async fn fresh<R: Runtime>(runtime: &R, tls: Option<ClientTls>) -> io::Result<ClientTls> {
    let loading = runtime.unblock(move || match tls {
        None => ClientTls::load(ClientTlsFiles::default()).map_err(io::Error::other),
        Some(tls) => {
            match tls.reload() {
                Ok(true) => tracing::info!("TLS files have changed and are in use"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "changed TLS files cannot be used; the old ones stay in use");
                }
            }
            Ok(tls)
        }
    });
    loading.await.map_err(io::Error::other)?
}
