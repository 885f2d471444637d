use crate::hub::Hub;
use crate::session;
use crate::telemetry::{ConnectionErrorCause, Telemetry};
use bytes::Bytes;
use prometheus_rsocket_protocol::collector::Session;
use prometheus_rsocket_protocol::connection;
use prometheus_rsocket_runtime::{Listener, Runtime, sleep_until};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait after a connection could not be accepted: for file descriptors, say, to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every accepted application gets.
pub(crate) struct Acceptor<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) key: Bytes,
    pub(crate) connection: connection::Config,
}

impl<R: Runtime> Acceptor<R> {
    /// Accepts applications until the future is dropped.
    pub(crate) async fn run(self, listener: R::Listener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.on_accepted(stream, peer),
                Err(error) => {
                    self.telemetry.connection_failed(ConnectionErrorCause::Io);
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep_until(&self.runtime, self.runtime.now() + ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn on_accepted(&self, stream: R::Stream, peer: SocketAddr) {
        let now = self.runtime.now();
        match self.hub.add_app(now) {
            Ok((app, inbox)) => {
                tracing::debug!(%app, %peer, "accepted");
                let session = Session::new(app, self.connection.clone(), self.key.clone(), now);
                let hub = Arc::clone(&self.hub);
                self.runtime.spawn(session::run(self.runtime.clone(), hub, stream, session, inbox));
            }
            Err(error) => {
                self.telemetry.connection_failed(ConnectionErrorCause::TooManyConnections);
                tracing::warn!(%error, "connection refused");
            }
        }
    }
}
