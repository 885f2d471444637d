use crate::config::Config;
use crate::current::Current;
use crate::ingress::acceptor::{Serve, TurnedAway};
use crate::ingress::forwarded::{Balancers, Begun};
use crate::ingress::places::{Place, Places};
use crate::ingress::slots::{Slot, Slots};
use crate::ingress::websocket::{UpgradeConfig, upgrade, upgrade_with};
use crate::observe::telemetry::{ConnectionErrorCause, ListenerName, ProbeKind, Telemetry};
use crate::observe::throttle::Throttle;
use crate::service::hub::Hub;
use crate::service::session;
use crate::shutdown::Shutdown;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future::or;
use http::HeaderMap;
use prometheus_rsocket_protocol::collector::{
    Peer, PeerTls, Session, SessionCommand, SessionEvent, Transport,
};
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Connection};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_runtime::tls::MaybeTls;
use prometheus_rsocket_runtime::websocket::WebSocket;
use prometheus_rsocket_runtime::{DriverConfig, Line, Runtime, drive, timeout};
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Serves applications, over TCP or over WebSocket.
pub(crate) struct RsocketServer<R> {
    pub(crate) runtime: R,
    /// The listener's name.
    pub(crate) name: &'static str,
    /// The configuration of the upgrade as of the start; `None` if this is not the WebSocket listener.
    pub(crate) upgrade: Option<UpgradeConfig>,
    pub(crate) hub: Arc<Hub>,
    /// Load balancers in front of the listener.
    pub(crate) balancers: Balancers,
    /// Places of connections, shared by all listeners for applications, from being accepted to their end.
    pub(crate) places: Arc<Places>,
    /// Slots of connections that have to go, until they are told.
    pub(crate) leaving: Arc<Slots>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) config: Current<Config>,
    /// The time limit of the upgrade to WebSocket.
    pub(crate) handshake_timeout: Duration,
    /// When it is triggered, upgrades are abandoned.
    pub(crate) shutdown: Shutdown,
    pub(crate) logs: Logs,
}

/// Each kind of failure is logged once per period.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    evicted: Throttle,
    transport: Throttle,
}

impl<R: Runtime> Serve<R> for RsocketServer<R> {
    type Place = Place;
    type Held = Slot;

    fn place(&self, peer: SocketAddr) -> Option<Place> {
        let is_known = !self.balancers.trusts(peer.ip());
        self.places.take(is_known.then_some(peer.ip()))
    }

    fn balancers(&self) -> Option<&Balancers> {
        Some(&self.balancers)
    }

    fn header_timeout(&self) -> Duration {
        self.config.get().setup_timeout
    }

    fn on_known(&self, place: &mut Place, peer: SocketAddr) {
        // The request for a WebSocket may announce another address.
        if self.upgrade.is_none() || !self.balancers.trusts(peer.ip()) {
            place.announce(peer.ip());
        }
    }

    async fn evicted(&self, place: &Place) {
        place.evicted().await;
    }

    fn hold(&self) -> Option<(Instant, Slot)> {
        let held = self.leaving.take()?;
        let mut random = [0; 4];
        // Without randomness all wait equally long.
        let _ = self.runtime.fill_random(&mut random);
        let spread = HELD.1 - HELD.0;
        let after = HELD.0 + spread.mul_f64(f64::from(u32::from_ne_bytes(random)) / MAX_RANDOM);
        Some((self.runtime.now() + after, held))
    }

    async fn turn_away(&self, stream: MaybeTls<Begun<R::Stream>>, peer: SocketAddr) {
        match self.upgrade_config() {
            Some(config) => {
                let config = UpgradeConfig { is_full: true, ..config };
                let deadline = self.runtime.now() + self.handshake_timeout;
                // Whatever the peer requests, the answer is the same.
                let _ =
                    timeout(&self.runtime, deadline, upgrade(&self.runtime, stream, &config)).await;
            }
            None => self.reject(stream).await,
        }
        tracing::debug!(%peer, listener = self.name, "turned away");
    }

    async fn serve(
        self: Arc<Self>,
        stream: MaybeTls<Begun<R::Stream>>,
        peer: SocketAddr,
        mut place: Place,
    ) {
        let tls = stream
            .is_tls()
            .then(|| PeerTls { subject: stream.peer_subject(), names: stream.peer_names() });
        let of_peer = |address, transport| Peer { address, transport, tls };
        let address = peer.to_string();
        let Some(config) = self.upgrade_config() else {
            return self.run_session(stream, of_peer(address, Transport::Tcp), &place).await;
        };
        // The handshake is boxed, so that its memory is freed afterwards.
        let evicted = async {
            place.evicted().await;
            self.on_evicted(&address);
            None
        };
        let upgraded = or(Box::pin(self.upgraded(stream, &config, peer)), evicted).await;
        if let Some((stream, announced)) = upgraded {
            place.announce(announced.unwrap_or_else(|| peer.ip()));
            let address = announced.map_or(address, |address| address.to_string());
            // Boxed, or connections without a WebSocket would reserve memory for one.
            self.run_session(Box::new(stream), of_peer(address, Transport::WebSocket), &place)
                .await;
        }
    }

    fn on_turned_away(&self, why: TurnedAway) {
        self.telemetry.connection_failed(match why {
            TurnedAway::Evicted => ConnectionErrorCause::Evicted,
            TurnedAway::NotAccepted => ConnectionErrorCause::Io,
            TurnedAway::Full => ConnectionErrorCause::TooManyConnections,
            TurnedAway::ProxyHeader => ConnectionErrorCause::ProxyHeader,
            TurnedAway::Tls => ConnectionErrorCause::Tls,
        });
    }

    fn on_probe(&self, kind: ProbeKind, peer: SocketAddr, error: &dyn fmt::Display) {
        self.probed(kind, &peer.to_string(), error);
    }
}

impl<R: Runtime> RsocketServer<R> {
    /// Returns the present configuration of the upgrade.
    fn upgrade_config(&self) -> Option<UpgradeConfig> {
        let mut upgrade = self.upgrade.clone()?;
        let config = self.config.get();
        upgrade.path.clone_from(&config.websocket_path);
        upgrade.websocket.max_message_len = config.max_frame_bytes;
        Some(upgrade)
    }

    /// Returns the WebSocket, and the address of the client if a trusted load balancer announces it.
    async fn upgraded<S>(
        &self,
        stream: S,
        config: &UpgradeConfig,
        peer: SocketAddr,
    ) -> Option<(WebSocket<S>, Option<IpAddr>)>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let deadline = self.runtime.now() + self.handshake_timeout;
        let is_trusted = self.balancers.trusts(peer.ip());
        let announced = OnceLock::new();
        let on_request = |headers: &HeaderMap| {
            if let Some(client) = self.balancers.forwarded_for(headers).filter(|_| is_trusted) {
                let _ = announced.set(client);
            }
        };
        let upgrading = upgrade_with(&self.runtime, stream, config, on_request);
        let upgrading = timeout(&self.runtime, deadline, upgrading);
        let upgraded = or(async { Some(upgrading.await) }, async {
            self.shutdown.wait().await;
            None
        });
        let upgraded = upgraded.await?;
        let client = announced.get().copied();
        let (probe, error) = match upgraded {
            Ok(Ok(stream)) => return Some((stream, client)),
            Ok(Err(error)) => (error.probe(), error.to_string()),
            Err(elapsed) => (Some(ProbeKind::Silent), elapsed.to_string()),
        };
        let peer = &client.map_or_else(|| peer.to_string(), |client| client.to_string());
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

    async fn run_session<S>(&self, stream: S, peer: Peer, place: &Place)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = self.runtime.now();
        let address = peer.address.clone();
        let mut seed = [0; 32];
        if let Err(error) = self.runtime.fill_random(&mut seed) {
            tracing::error!(%error, "the system gives no randomness");
            return;
        }
        let (id, inbox) = match self.hub.accept(now, peer) {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(peer = address, listener = self.name, %error, "refused");
                self.on_turned_away(TurnedAway::Full);
                return self.reject(stream).await;
            }
        };
        tracing::debug!(connection = %id, peer = address, listener = self.name, "accepted");
        // Boxed, since futures reserve memory for their arguments in addition to what they make of them.
        let session = Box::new(Session::new(id, self.config.get().connection(), seed, now));
        let (runtime, hub) = (self.runtime.clone(), Arc::clone(&self.hub));
        let on_set_up = || place.keep();
        let inbox_of_session = Arc::clone(&inbox);
        // Pinned here, since a moved future would be in memory twice.
        let served = pin!(session::run(runtime, hub, stream, session, inbox_of_session, on_set_up));
        let evicted = async {
            place.evicted().await;
            self.on_evicted(&address);
            // If there is no slot to wait in until it is told, it is dropped.
            if let Some(_leaving) = self.leaving.take() {
                inbox.put(rejection()).into_iter().for_each(Waker::wake);
                pending::<()>().await;
            }
            let reason =
                CloseReason::Local { code: ErrorCode::REJECTED_SETUP, message: FULL.to_owned() };
            self.hub.handle_session(self.runtime.now(), id, SessionEvent::Closed { reason });
            Ok(())
        };
        if let Err(error) = or(served, evicted).await {
            self.on_transport_failed(&error, &address);
        }
    }

    /// Tells a peer by an ERROR frame that there is no place for it.
    async fn reject<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        let now = self.runtime.now();
        let mut connection = Connection::server(self.config.get().connection(), now);
        connection.close(now, ErrorCode::REJECTED_SETUP, FULL);
        let mut owner = |_: &mut Context<'_>, _: Instant, _: &mut Connection| {};
        let config = DriverConfig { linger_bytes: LINGER_BYTES, ..DriverConfig::default() };
        let end = drive(&self.runtime, stream, &mut connection, &mut owner, &config).await;
        tracing::trace!(?end, "told that there is no place");
    }

    fn on_evicted(&self, peer: &str) {
        self.on_turned_away(TurnedAway::Evicted);
        if let Some(suppressed) = self.logs.evicted.pass(self.runtime.now()) {
            let listener = self.name;
            tracing::warn!(
                listener,
                peer,
                suppressed,
                "connection ended before it was set up: another needs its place"
            );
        }
    }

    /// A transport that breaks off is reported by the session. One whose own rules the peer broke is not.
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

fn rejection() -> SessionCommand {
    SessionCommand::Close { code: ErrorCode::REJECTED_SETUP, message: FULL.to_owned() }
}

/// The message to a peer for which there is no place.
pub(crate) const FULL: &str = "as many connections are open as this proxy allows; try again later";

/// The shortest and the longest time until peers are told that there is no place for them. Clients that come back immediately (as Micrometer's does
/// after the end of a connection) come no more often than this, and not all together.
const HELD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

const MAX_RANDOM: f64 = u32::MAX as f64;

/// How much of a rejected peer's data is read, so that it gets to see the ERROR: more than SETUP has.
const LINGER_BYTES: usize = 256 * 1024;
