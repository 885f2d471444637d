//! From a URL to a stream of frames.

use crate::Failure;
use crate::args::{Args, Url};
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_runtime::tls::{ClientTls, ClientTlsFiles, MaybeTls};
use prometheus_rsocket_runtime::websocket::{self, WebSocket, WebSocketConfig};
use std::io;

/// A connection to the proxy. Whatever it is made of, its bytes are frames with their length before each.
pub(crate) enum Transport<S> {
    Bytes(MaybeTls<S>),
    Messages(Box<WebSocket<MaybeTls<S>>>),
}

/// What connecting needs: the listeners, and whom to trust.
pub(crate) struct Dialer {
    urls: Vec<Url>,
    tls: Option<ClientTls>,
}

impl Dialer {
    pub(crate) fn new(args: &Args) -> Result<Self, Failure> {
        let tls = if args.rsocket.iter().any(|url| url.is_tls) {
            let mut files = ClientTlsFiles::default();
            files.ca.clone_from(&args.tls_ca);
            Some(ClientTls::load(files)?)
        } else {
            None
        };
        Ok(Self { urls: args.rsocket.clone(), tls })
    }

    /// Opens the connection of an application; which listener it takes depends on its number.
    pub(crate) async fn open<R: Runtime>(
        &self,
        runtime: &R,
        number: usize,
    ) -> io::Result<Transport<R::Stream>> {
        let url = &self.urls[number % self.urls.len()];
        let stream = runtime.connect(&url.host, url.port).await?;
        let stream = match &self.tls {
            Some(tls) if url.is_tls => tls.connect(&url.host, stream).await?,
            _ => MaybeTls::Plain(stream),
        };
        if !url.is_websocket {
            return Ok(Transport::Bytes(stream));
        }
        let authority = if url.host.contains(':') {
            format!("[{}]:{}", url.host, url.port)
        } else {
            format!("{}:{}", url.host, url.port)
        };
        let config = WebSocketConfig::default();
        let stream = websocket::connect(stream, &authority, &url.path, &config).await?;
        Ok(Transport::Messages(Box::new(stream)))
    }
}
