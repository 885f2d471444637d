use crate::ingress::acceptor::{Serve, TurnedAway};
use crate::ingress::slots::Slot;
use crate::ingress::websocket::{UpgradeConfig, upgrade};
use crate::observe::telemetry::{ConnectionErrorCause, ListenerName, ProbeKind, Telemetry};
use crate::observe::throttle::Throttle;
use crate::service::hub::Hub;
use crate::service::session;
use crate::shutdown::Shutdown;
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{Peer, Session, Transport};
use prometheus_rsocket_protocol::rsocket::connection;
use prometheus_rsocket_runtime::tls::MaybeTls;
use prometheus_rsocket_runtime::websocket::WebSocket;
use prometheus_rsocket_runtime::{Line, Runtime, timeout};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// Serves applications, over TCP or over WebSocket.
pub(crate) struct RsocketServer<R> {
    pub(crate) runtime: R,
    /// The listener's name.
    pub(crate) name: &'static str,
    /// The request to upgrade, where the listener is the WebSocket one.
    pub(crate) upgrade: Option<UpgradeConfig>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// The proxy's public key, for every application.
    pub(crate) key: Bytes,
    pub(crate) connection: connection::Config,
    /// How long the upgrade to WebSocket may take.
    pub(crate) handshake_timeout: Duration,
    /// Upgrades are given up when it is triggered.
    pub(crate) shutdown: Shutdown,
    pub(crate) logs: Logs,
}

/// Each kind of trouble is logged once per period.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    full: Throttle,
    transport: Throttle,
}

impl<R: Runtime> Serve<R> for RsocketServer<R> {
    async fn serve(self: Arc<Self>, stream: MaybeTls<R::Stream>, peer: SocketAddr, _slot: Slot) {
        let tls_subject = stream.peer_subject();
        let peer = |transport| Peer { address: peer.to_string(), transport, tls_subject };
        let Some(config) = &self.upgrade else {
            return self.run_session(stream, peer(Transport::Tcp)).await;
        };
        let peer = peer(Transport::WebSocket);
        // What the handshake needs is boxed, so that it is gone with it.
        if let Some(stream) = Box::pin(self.upgraded(stream, config, &peer.address)).await {
            self.run_session(stream, peer).await;
        }
    }

    fn on_turned_away(&self, why: TurnedAway) {
        self.telemetry.connection_failed(match why {
            TurnedAway::NotAccepted => ConnectionErrorCause::Io,
            TurnedAway::Full => ConnectionErrorCause::TooManyConnections,
            TurnedAway::Tls => ConnectionErrorCause::Tls,
        });
    }

    fn on_probe(&self, kind: ProbeKind, peer: SocketAddr, error: &dyn fmt::Display) {
        self.probed(kind, &peer.to_string(), error);
    }
}

impl<R: Runtime> RsocketServer<R> {
    async fn upgraded<S>(
        &self,
        stream: S,
        config: &UpgradeConfig,
        peer: &str,
    ) -> Option<WebSocket<S>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let deadline = self.runtime.now() + self.handshake_timeout;
        let upgrading = timeout(&self.runtime, deadline, upgrade(&self.runtime, stream, config));
        let upgraded = or(async { Some(upgrading.await) }, async {
            self.shutdown.wait().await;
            None
        });
        let (probe, error) = match upgraded.await? {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => (error.probe(), error.to_string()),
            Err(elapsed) => (Some(ProbeKind::Silent), elapsed.to_string()),
        };
        if probe != Some(ProbeKind::Empty) {
            self.telemetry.connection_failed(ConnectionErrorCause::WebSocket);
        }
        match probe {
            Some(kind) => self.probed(kind, peer, &error),
            None => {
                let (now, listener) = (self.runtime.now(), ListenerName::WebSocket);
                self.hub.probes().on_not_set_up(now, listener, peer, &error);
            }
        }
        None
    }

    fn probed(&self, kind: ProbeKind, peer: &str, error: &dyn fmt::Display) {
        let listener = match &self.upgrade {
            Some(_) => ListenerName::WebSocket,
            None => ListenerName::Tcp,
        };
        self.telemetry.probed(listener, kind);
        self.hub.probes().on_probe(self.runtime.now(), listener, kind, peer, error);
    }

    async fn run_session<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = self.runtime.now();
        let address = peer.address.clone();
        match self.hub.accept(now, peer) {
            Ok((id, inbox)) => {
                tracing::debug!(connection = %id, peer = address, listener = self.name, "accepted");
                let session = Session::new(id, self.connection.clone(), self.key.clone(), now);
                let (runtime, hub) = (self.runtime.clone(), Arc::clone(&self.hub));
                if let Err(error) = session::run(runtime, hub, stream, session, inbox).await {
                    self.on_transport_failed(&error, &address);
                }
            }
            Err(error) => {
                self.on_turned_away(TurnedAway::Full);
                if let Some(suppressed) = self.logs.full.pass(now) {
                    tracing::warn!(listener = self.name, %error, suppressed, "connection refused");
                }
            }
        }
    }

    /// A transport that breaks off is known from the session. One on which the peer broke the transport's own rules is not.
    fn on_transport_failed(&self, error: &io::Error, peer: &str) {
        if error.kind() != io::ErrorKind::InvalidData {
            return;
        }
        self.telemetry.connection_failed(match &self.upgrade {
            Some(_) => ConnectionErrorCause::WebSocket,
            None => ConnectionErrorCause::Tls,
        });
        if let Some(suppressed) = self.logs.transport.pass(self.runtime.now()) {
            let error = Line(error);
            tracing::warn!(listener = self.name, peer, %error, suppressed, "transport failed");
        }
    }
}
