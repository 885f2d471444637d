use crate::ingress::slots::{Slot, Slots};
use crate::observe::telemetry::ProbeKind;
use crate::observe::throttle::Throttle;
use crate::shutdown::Shutdown;
use futures_lite::future::or;
use prometheus_rsocket_runtime::tls::{MaybeTls, ServerTls};
use prometheus_rsocket_runtime::{Line, Listener, Runtime, sleep_until, timeout};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Serves the connections of one listener, once they have passed what all connections pass.
pub(crate) trait Serve<R: Runtime>: Send + Sync + 'static {
    /// Serves one connection to its end. The place of the connection is free again when `slot` is dropped.
    fn serve(
        self: Arc<Self>,
        stream: MaybeTls<R::Stream>,
        peer: SocketAddr,
        slot: Slot,
    ) -> impl Future<Output = ()> + Send;

    /// Counts a connection that did not come so far.
    fn on_turned_away(&self, why: TurnedAway);

    /// Counts and logs somebody anonymous.
    fn on_probe(&self, kind: ProbeKind, peer: SocketAddr, error: &dyn fmt::Display);
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// The system could not accept it.
    NotAccepted,
    /// All places are taken.
    Full,
    /// TLS was not set up.
    Tls,
}

/// Accepts the connections of one listener: a bounded number, TLS where the listener has it, each handshake within a time limit.
pub(crate) struct Acceptor<R, S> {
    pub(crate) runtime: R,
    /// The listener's name.
    pub(crate) name: &'static str,
    pub(crate) tls: Option<ServerTls>,
    /// How long TLS may take.
    pub(crate) handshake_timeout: Duration,
    /// Places of connections, from being accepted to their end.
    pub(crate) slots: Arc<Slots>,
    /// Handshakes are given up when it is triggered.
    pub(crate) shutdown: Shutdown,
    pub(crate) server: Arc<S>,
    pub(crate) logs: Logs,
}

/// Each kind of trouble is logged once per period.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    full: Throttle,
    not_accepted: Throttle,
    tls: Throttle,
}

impl<R: Runtime, S: Serve<R>> Acceptor<R, S> {
    /// Accepts connections until the shutdown signal.
    pub(crate) async fn run(self, listener: R::Listener) {
        let this = Arc::new(self);
        loop {
            let stopped = async {
                this.shutdown.wait().await;
                None
            };
            let accepted = async { Some(listener.accept().await) };
            match or(stopped, accepted).await {
                None => return,
                Some(Ok((stream, peer))) => this.on_accepted(stream, peer),
                Some(Err(error)) => this.on_error(&error).await,
            }
        }
    }

    fn on_accepted(self: &Arc<Self>, stream: R::Stream, peer: SocketAddr) {
        let Some(slot) = self.slots.take() else {
            self.server.on_turned_away(TurnedAway::Full);
            if let Some(suppressed) = self.logs.full.pass(self.runtime.now()) {
                let (listener, max) = (self.name, self.slots.max());
                tracing::warn!(
                    listener,
                    max,
                    suppressed,
                    "connection refused: as many are open as allowed"
                );
            }
            return;
        };
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            // What the handshake needs is boxed, so that it is gone with it.
            if let Some(stream) = Box::pin(this.secured(stream, peer)).await {
                Arc::clone(&this.server).serve(stream, peer, slot).await;
            }
        });
    }

    async fn on_error(&self, error: &io::Error) {
        self.server.on_turned_away(TurnedAway::NotAccepted);
        let now = self.runtime.now();
        if let Some(suppressed) = self.logs.not_accepted.pass(now) {
            tracing::warn!(listener = self.name, %error, suppressed, "cannot accept a connection");
        }
        sleep_until(&self.runtime, now + ACCEPT_PAUSE).await;
    }

    /// The stream under TLS, where the listener has it.
    async fn secured(&self, stream: R::Stream, peer: SocketAddr) -> Option<MaybeTls<R::Stream>> {
        let Some(tls) = &self.tls else { return Some(MaybeTls::Plain(stream)) };
        let deadline = self.runtime.now() + self.handshake_timeout;
        let accepted = timeout(&self.runtime, deadline, tls.accept(stream));
        let accepted = or(async { Some(accepted.await) }, async {
            self.shutdown.wait().await;
            None
        });
        let error = match accepted.await?.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        // Load balancers look whether anybody is there, and leave without a word.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.server.on_probe(ProbeKind::Empty, peer, &error);
            return None;
        }
        self.server.on_turned_away(TurnedAway::Tls);
        if let Some(suppressed) = self.logs.tls.pass(self.runtime.now()) {
            let error = Line(&error);
            tracing::warn!(listener = self.name, %peer, %error, suppressed, "TLS handshake failed");
        }
        None
    }
}

/// How long to wait after a connection could not be accepted: for file descriptors, say, to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
