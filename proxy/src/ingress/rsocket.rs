use crate::ingress::slots::Slots;
use crate::ingress::throttle::Throttle;
use crate::ingress::websocket::{UpgradeConfig, UpgradeError, upgrade};
use crate::observe::telemetry::{ConnectionErrorCause, Telemetry};
use crate::service::hub::Hub;
use crate::service::session;
use crate::shutdown::Shutdown;
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::Session;
use prometheus_rsocket_protocol::rsocket::connection;
use prometheus_rsocket_runtime::tls::{MaybeTls, ServerTls};
use prometheus_rsocket_runtime::websocket::WebSocket;
use prometheus_rsocket_runtime::{Listener, Runtime, sleep_until, timeout};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait after a connection could not be accepted: for file descriptors, say, to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts the applications that connect to one listener.
pub(crate) struct Acceptor<R> {
    pub(crate) runtime: R,
    pub(crate) name: &'static str,
    /// TLS, where the listener has it.
    pub(crate) tls: Option<ServerTls>,
    /// WebSocket, where the listener has it; otherwise it is RSocket over TCP.
    pub(crate) upgrade: Option<UpgradeConfig>,
    pub(crate) shared: Arc<Shared>,
}

/// What every accepted application gets, whichever way it came.
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) key: Bytes,
    pub(crate) connection: connection::Config,
    /// How long TLS may take, and then WebSocket.
    pub(crate) handshake_timeout: Duration,
    /// Connections, from being accepted to their end.
    pub(crate) slots: Arc<Slots>,
    /// Handshakes are given up when it is given.
    pub(crate) shutdown: Shutdown,
    pub(crate) logs: Logs,
}

/// Of each kind of trouble before a session there is at most one line in the log per period.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    full: Throttle,
    not_accepted: Throttle,
    tls: Throttle,
    transport: Throttle,
    websocket: Throttle,
}

impl<R: Runtime> Acceptor<R> {
    /// Accepts applications until the future is dropped.
    pub(crate) async fn run(self, listener: R::Listener) {
        let this = Arc::new(self);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => this.on_accepted(stream),
                Err(error) => {
                    this.shared.telemetry.connection_failed(ConnectionErrorCause::Io);
                    let now = this.runtime.now();
                    if let Some(suppressed) = this.shared.logs.not_accepted.pass(now) {
                        let listener = this.name;
                        tracing::warn!(listener, %error, suppressed, "cannot accept a connection");
                    }
                    sleep_until(&this.runtime, now + ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn on_accepted(self: &Arc<Self>, stream: R::Stream) {
        let Some(slot) = self.shared.slots.take() else {
            self.refuse("as many connections are open as allowed");
            return;
        };
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            let _slot = slot;
            this.serve(stream).await;
        });
    }

    /// One connection, from its first byte to its end. What is needed for handshakes alone is boxed, so that it is gone with them.
    async fn serve(&self, stream: R::Stream) {
        let Some(stream) = self.unless_stopped(self.secured(stream)).await else { return };
        let Some(config) = &self.upgrade else { return self.run_session(stream).await };
        if let Some(stream) = self.unless_stopped(self.upgraded(stream, config)).await {
            self.run_session(stream).await;
        }
    }

    async fn unless_stopped<T>(&self, handshake: impl Future<Output = Option<T>>) -> Option<T> {
        let stopped = async {
            self.shared.shutdown.wait().await;
            None
        };
        Box::pin(or(handshake, stopped)).await
    }

    async fn secured(&self, stream: R::Stream) -> Option<MaybeTls<R::Stream>> {
        let Some(tls) = &self.tls else { return Some(MaybeTls::Plain(stream)) };
        let deadline = self.runtime.now() + self.shared.handshake_timeout;
        let accepted = timeout(&self.runtime, deadline, tls.accept(stream)).await;
        let error = match accepted.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        // Load balancers look whether anybody is there, and go without a word.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            tracing::debug!(listener = self.name, %error, "connection ended before TLS was set up");
            return None;
        }
        self.shared.telemetry.connection_failed(ConnectionErrorCause::Tls);
        if let Some(suppressed) = self.shared.logs.tls.pass(self.runtime.now()) {
            tracing::warn!(listener = self.name, %error, suppressed, "TLS handshake failed");
        }
        None
    }

    async fn upgraded<S>(&self, stream: S, config: &UpgradeConfig) -> Option<WebSocket<S>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let deadline = self.runtime.now() + self.shared.handshake_timeout;
        let upgrading = upgrade(&self.runtime, stream, config);
        let error = match timeout(&self.runtime, deadline, upgrading).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(UpgradeError::Eof)) => {
                tracing::debug!(listener = self.name, "connection ended without a request");
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        self.shared.telemetry.connection_failed(ConnectionErrorCause::WebSocket);
        if let Some(suppressed) = self.shared.logs.websocket.pass(self.runtime.now()) {
            tracing::warn!(listener = self.name, error, suppressed, "WebSocket handshake failed");
        }
        None
    }

    async fn run_session<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = self.runtime.now();
        let Shared { hub, key, connection, .. } = &*self.shared;
        match hub.add_app(now) {
            Ok((app, inbox)) => {
                tracing::debug!(%app, listener = self.name, "accepted");
                let session = Session::new(app, connection.clone(), key.clone(), now);
                let (runtime, hub) = (self.runtime.clone(), Arc::clone(hub));
                if let Err(error) = session::run(runtime, hub, stream, session, inbox).await {
                    self.on_transport_failed(&error);
                }
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    /// A transport that breaks off is known from the session. One on which the peer broke the transport's own rules is not.
    fn on_transport_failed(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::InvalidData {
            return;
        }
        let cause = match &self.upgrade {
            Some(_) => ConnectionErrorCause::WebSocket,
            None => ConnectionErrorCause::Tls,
        };
        self.shared.telemetry.connection_failed(cause);
        if let Some(suppressed) = self.shared.logs.transport.pass(self.runtime.now()) {
            tracing::warn!(listener = self.name, %error, suppressed, "transport failed");
        }
    }

    fn refuse(&self, reason: &str) {
        self.shared.telemetry.connection_failed(ConnectionErrorCause::TooManyConnections);
        if let Some(suppressed) = self.shared.logs.full.pass(self.runtime.now()) {
            tracing::warn!(listener = self.name, reason, suppressed, "connection refused");
        }
    }
}
