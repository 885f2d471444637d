use crate::ingress::forwarded::{Balancers, Begun, HeaderError};
use crate::ingress::reserve::{Reserve, is_of_one_connection, is_out_of_descriptors};
use crate::observe::telemetry::ProbeKind;
use crate::observe::throttle::Throttle;
use crate::shutdown::Shutdown;
use futures_lite::future::{or, yield_now};
use prometheus_rsocket_runtime::tls::{MaybeTls, ServerTls};
use prometheus_rsocket_runtime::{Line, Listener, Runtime, sleep_until, timeout};
use std::fmt;
use std::future::{Future, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Serves the connections of one listener, after the steps that all connections share.
pub(crate) trait Serve<R: Runtime>: Send + Sync + 'static {
    /// The place of one connection among those that may be open. Dropping it frees the place.
    type Place: Send + Sync;

    /// A connection without a place, which is held until it is told.
    type Held: Send;

    /// Takes a place for a connection that was accepted.
    fn place(&self, peer: SocketAddr) -> Option<Self::Place>;

    /// Returns the load balancers in front of the listener, whose PROXY headers are read.
    fn balancers(&self) -> Option<&Balancers> {
        None
    }

    /// Returns the time limit of a PROXY header, within that of the handshake if there is one.
    fn header_timeout(&self) -> Duration {
        Duration::MAX
    }

    /// Counts a connection towards its peer, once its PROXY header has been read or it is known to have none.
    fn on_known(&self, place: &mut Self::Place, peer: SocketAddr) {
        let _ = (place, peer);
    }

    /// Resolves if the connection with this place has to go, because it is not served yet and another one needs the place.
    fn evicted(&self, place: &Self::Place) -> impl Future<Output = ()> + Send {
        let _ = place;
        pending()
    }

    /// Decides what to do with a connection for which there is no place: it is dropped immediately, or held until the returned time and then [turned
    /// away](Self::turn_away).
    fn hold(&self) -> Option<(Instant, Self::Held)> {
        None
    }

    /// Serves one connection to its end.
    fn serve(
        self: Arc<Self>,
        stream: MaybeTls<Begun<R::Stream>>,
        peer: SocketAddr,
        place: Self::Place,
    ) -> impl Future<Output = ()> + Send;

    /// Tells a peer that there is no place for it.
    fn turn_away(
        &self,
        stream: MaybeTls<Begun<R::Stream>>,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send {
        let _ = (stream, peer);
        ready(())
    }

    /// Counts a connection that is not served.
    fn on_turned_away(&self, why: TurnedAway);

    /// Counts and logs an anonymous peer.
    fn on_probe(&self, kind: ProbeKind, peer: SocketAddr, error: &dyn fmt::Display);
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// The system could not accept it.
    NotAccepted,
    /// It had to make room before it was served.
    Evicted,
    /// All places are taken.
    Full,
    /// Its PROXY header is missing, malformed or not trusted.
    ProxyHeader,
    /// The TLS handshake failed.
    Tls,
}

/// Accepts the connections of one listener. Their number is bounded. PROXY header, if a load balancer sends one, and TLS, if the listener has it,
/// have a time limit each.
pub(crate) struct Acceptor<R, S> {
    pub(crate) runtime: R,
    /// The listener's name.
    pub(crate) name: &'static str,
    pub(crate) tls: Option<ServerTls>,
    /// The time limit of a TLS handshake.
    pub(crate) handshake_timeout: Duration,
    /// When it is triggered, handshakes are abandoned.
    pub(crate) shutdown: Shutdown,
    pub(crate) server: Arc<S>,
    /// For connections that arrive when no other descriptors are left.
    pub(crate) reserve: Reserve,
    pub(crate) logs: Logs,
}

/// Each kind of failure is logged once per period.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    evicted: Throttle,
    full: Throttle,
    header: Throttle,
    not_accepted: Throttle,
    reserve: Throttle,
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
                Some(Ok((stream, peer))) => {
                    this.on_accepted(stream, peer);
                    // The connection that has to make room is let go first.
                    yield_now().await;
                }
                Some(Err(error)) => this.on_error(&error).await,
            }
        }
    }

    fn on_accepted(self: &Arc<Self>, stream: R::Stream, peer: SocketAddr) {
        let this = Arc::clone(self);
        match self.server.place(peer) {
            Some(place) => self.runtime.spawn(this.serve(stream, peer, place)),
            None => match self.server.hold() {
                Some((until, held)) => {
                    self.runtime.spawn(this.hold_back(stream, peer, until, held));
                }
                None => self.on_full(peer),
            },
        }
    }

    async fn serve(self: Arc<Self>, stream: R::Stream, peer: SocketAddr, mut place: S::Place) {
        // Handshakes are boxed, so that their memory is freed afterwards.
        let begun = Box::pin(self.begun(stream, peer, Duration::MAX));
        let begun = or(begun, self.evicted(&place, peer)).await;
        let Some((stream, peer)) = begun else { return };
        self.server.on_known(&mut place, peer);
        let secured = or(Box::pin(self.secured(stream, peer)), self.evicted(&place, peer)).await;
        if let Some(stream) = secured {
            Arc::clone(&self.server).serve(stream, peer, place).await;
        }
        // Before another listener takes the descriptor that has just become free.
        self.reserve.refill();
    }

    /// Resolves to `None` if the connection has to go.
    async fn evicted<T>(&self, place: &S::Place, peer: SocketAddr) -> Option<T> {
        self.server.evicted(place).await;
        self.on_evicted(peer);
        None
    }

    /// Serves a connection that had no place if there is one later, and turns it away otherwise. The delay keeps clients that reconnect immediately
    /// from doing so in a hot loop.
    async fn hold_back(
        self: Arc<Self>,
        stream: R::Stream,
        peer: SocketAddr,
        until: Instant,
        held: S::Held,
    ) {
        let stopped = async {
            self.shutdown.wait().await;
            true
        };
        let waited = async {
            sleep_until(&self.runtime, until).await;
            false
        };
        if or(stopped, waited).await {
            return;
        }
        if let Some(place) = self.server.place(peer) {
            drop(held);
            return self.serve(stream, peer, place).await;
        }
        self.on_full(peer);
        // Limited in time, since others need the slot in which it is held.
        let begun = Box::pin(self.begun(stream, peer, self.handshake_timeout)).await;
        let Some((stream, peer)) = begun else { return };
        if let Some(stream) = Box::pin(self.secured(stream, peer)).await {
            self.server.turn_away(stream, peer).await;
        }
    }

    fn on_full(&self, peer: SocketAddr) {
        self.server.on_turned_away(TurnedAway::Full);
        if let Some(suppressed) = self.logs.full.pass(self.runtime.now()) {
            let listener = self.name;
            tracing::warn!(
                listener,
                %peer,
                suppressed,
                "connection refused: as many are open as allowed"
            );
        }
    }

    fn on_evicted(&self, peer: SocketAddr) {
        self.server.on_turned_away(TurnedAway::Evicted);
        if let Some(suppressed) = self.logs.evicted.pass(self.runtime.now()) {
            let listener = self.name;
            tracing::warn!(
                listener,
                %peer,
                suppressed,
                "connection dropped during its handshake: another needs its place"
            );
        }
    }

    async fn on_error(&self, error: &io::Error) {
        let now = self.runtime.now();
        if is_out_of_descriptors(error) && self.reserve.spend() {
            if let Some(suppressed) = self.logs.reserve.pass(now) {
                let listener = self.name;
                tracing::warn!(
                    listener,
                    %error,
                    suppressed,
                    "file descriptors have run out: a connection gets one from the reserve"
                );
            }
            return;
        }
        self.server.on_turned_away(TurnedAway::NotAccepted);
        if let Some(suppressed) = self.logs.not_accepted.pass(now) {
            tracing::warn!(listener = self.name, %error, suppressed, "cannot accept a connection");
        }
        if !is_of_one_connection(error) {
            sleep_until(&self.runtime, now + ACCEPT_PAUSE).await;
        }
        self.reserve.refill();
    }

    /// Returns the stream after the PROXY header, if it should have one, and the address of the peer. The header has the configured time, and no more
    /// than `limit`.
    async fn begun(
        &self,
        stream: R::Stream,
        peer: SocketAddr,
        limit: Duration,
    ) -> Option<(Begun<R::Stream>, SocketAddr)> {
        let mut stream = Begun::new(stream);
        let balancers = self.server.balancers();
        let Some(balancers) = balancers.filter(|it| it.expects_header(peer.ip())) else {
            return Some((stream, peer));
        };
        let deadline = self.runtime.now() + self.server.header_timeout().min(limit);
        let read = balancers.read_header(&mut stream, peer.ip());
        let read = timeout(&self.runtime, deadline, read);
        let read = or(async { Some(read.await) }, async {
            self.shutdown.wait().await;
            None
        });
        match read.await?.unwrap_or(Err(HeaderError::Late)) {
            Ok(None) => Some((stream, peer)),
            Ok(Some(client)) => {
                tracing::debug!(listener = self.name, peer = %client, via = %peer, "announced");
                Some((stream, client))
            }
            Err(error) => {
                self.on_bad_header(peer, &error);
                None
            }
        }
    }

    async fn accept_tls(
        &self,
        tls: &ServerTls,
        mut stream: Begun<R::Stream>,
        peer: SocketAddr,
    ) -> io::Result<MaybeTls<Begun<R::Stream>>> {
        let may_be_misled = self.server.balancers().is_some_and(|it| it.ignores_header(peer.ip()));
        let is_header = may_be_misled && stream.is_header().await?;
        tls.accept(stream).await.map_err(|error| match is_header {
            true => io::Error::new(error.kind(), HeaderError::Untrusted.to_string()),
            false => error,
        })
    }

    fn on_bad_header(&self, peer: SocketAddr, error: &HeaderError) {
        if matches!(error, HeaderError::Closed) {
            return self.server.on_probe(ProbeKind::Empty, peer, error);
        }
        self.server.on_turned_away(TurnedAway::ProxyHeader);
        if let Some(suppressed) = self.logs.header.pass(self.runtime.now()) {
            let (listener, reason, error) = (self.name, error.name(), Line(error));
            tracing::warn!(
                listener,
                reason,
                %peer,
                %error,
                suppressed,
                "connection refused: it has no PROXY header that is believed"
            );
        }
    }

    /// Returns the stream under TLS, if the listener has TLS.
    async fn secured(
        &self,
        stream: Begun<R::Stream>,
        peer: SocketAddr,
    ) -> Option<MaybeTls<Begun<R::Stream>>> {
        let Some(tls) = &self.tls else { return Some(MaybeTls::Plain(stream)) };
        let deadline = self.runtime.now() + self.handshake_timeout;
        let accepted = timeout(&self.runtime, deadline, self.accept_tls(tls, stream, peer));
        let accepted = or(async { Some(accepted.await) }, async {
            self.shutdown.wait().await;
            None
        });
        let error = match accepted.await?.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        // Load balancers check whether somebody listens, and leave without a byte.
        let is_trusted = self.server.balancers().is_some_and(|it| it.trusts(peer.ip()));
        let is_reset = error.kind() == io::ErrorKind::ConnectionReset;
        if error.kind() == io::ErrorKind::UnexpectedEof || is_trusted && is_reset {
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

/// The pause after a connection could not be accepted, for example until file descriptors become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
