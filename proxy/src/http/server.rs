use super::{
    AnswerBody, Backend, BodyAborted, Client, Router,
    guard::{Answering, Guarded, Phase},
    places::{Place, Places},
};
use crate::auth::scrapers::{Refused, ScraperGate};
use crate::ingress::acceptor::{Acceptor, Serve, TurnedAway};
use crate::ingress::forwarded::Begun;
use crate::ingress::reserve::Reserve;
use crate::observe::probes::ProbeLog;
use crate::observe::telemetry::{HttpClosed, Label, ListenerName, LogCause, ProbeKind};
use crate::shutdown::{self, Shutdown};
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http::{Request, Response, StatusCode};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1::Builder,
    service::service_fn,
};
use prometheus_rsocket_runtime::tls::{MaybeTls, ServerTls};
use prometheus_rsocket_runtime::{HyperIo, HyperTimer, Line, Runtime, timeout};
use std::{
    convert::Infallible,
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tracing::{debug, warn};

/// Limits for clients of the HTTP side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open. A further one takes the place of one that is idle or stalls; if there is none, it gets a spare place.
    pub max_connections: usize,
    /// How many more connections may be open, which only get the proxy's own state. If these are taken as well, further ones are closed immediately.
    pub spare_connections: usize,
    /// The time limit of a TLS handshake, on listeners with TLS.
    pub handshake_timeout: Duration,
    /// The longest head of a request, in bytes.
    pub max_head_bytes: usize,
    /// The time limit for the head of a request, from its first byte; for the first request, from when the connection is accepted.
    pub head_timeout: Duration,
    /// How long a connection may wait for a request. Longer than usual scrape intervals, so that scrapers keep their connections.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of an answer. Over the whole answer, a slow reader has 10 s more than the answer takes at 16 KiB/s.
    pub stall_timeout: Duration,
    /// How long answers under way may take to finish after the shutdown signal.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            spare_connections: 16,
            handshake_timeout: Duration::from_secs(10),
            max_head_bytes: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(150),
            stall_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(15),
        }
    }
}

/// An HTTP listener.
pub(crate) struct Listening<R: Runtime> {
    pub(crate) name: &'static str,
    pub(crate) listener: R::Listener,
    pub(crate) tls: Option<ServerTls>,
    /// Checks who may scrape and see pages; `None` if anybody may.
    pub(crate) gate: Option<Arc<ScraperGate>>,
    /// The places of its connections, as many as the limits say.
    pub(crate) places: Arc<Places>,
}

/// Serves HTTP until the shutdown signal. Then no more connections are accepted, and idle ones are closed. Returns when the answers under way have
/// been sent, or have taken too long.
pub(crate) async fn serve<R: Runtime, B: Backend>(
    runtime: R,
    listening: Listening<R>,
    router: Arc<Router<B>>,
    limits: Limits,
    shutdown: Shutdown,
) {
    let Listening { name, listener, tls, gate, places } = listening;
    let (abort, aborted) = shutdown::channel();
    let probes = ProbeLog::new(router.telemetry());
    let server = HttpServer {
        runtime: runtime.clone(),
        places: Arc::clone(&places),
        router,
        gate,
        limits,
        shutdown: shutdown.clone(),
        aborted,
        probes,
    };
    let acceptor = Acceptor {
        runtime: runtime.clone(),
        name,
        tls,
        handshake_timeout: limits.handshake_timeout,
        shutdown,
        server: Arc::new(server),
        reserve: Reserve::new(RESERVE),
        logs: Default::default(),
    };
    acceptor.run(listener).await;
    let give_up = runtime.now() + limits.shutdown_timeout;
    if timeout(&runtime, give_up, places.wait_empty()).await.is_err() {
        let connections = places.taken();
        warn!(connections, "HTTP answers cut off: they took too long to end");
        abort.trigger();
    }
}

/// File descriptors in reserve: for a scraper or two, and for probes.
const RESERVE: usize = 8;

/// Serves HTTP connections.
struct HttpServer<R, B> {
    runtime: R,
    places: Arc<Places>,
    router: Arc<Router<B>>,
    /// Checks who may scrape; `None` if anybody may.
    gate: Option<Arc<ScraperGate>>,
    limits: Limits,
    /// When it is triggered, idle connections end, and others end after their answer.
    shutdown: Shutdown,
    /// When it is triggered, all connections end.
    aborted: Shutdown,
    probes: ProbeLog,
}

impl<R: Runtime, B: Backend> Serve<R> for HttpServer<R, B> {
    type Place = Place;
    type Held = ();

    fn place(&self, peer: SocketAddr) -> Option<Place> {
        self.places.take(self.runtime.now(), peer.ip())
    }

    async fn evicted(&self, place: &Place) {
        place.evicted().await;
    }

    async fn serve(
        self: Arc<Self>,
        stream: MaybeTls<Begun<R::Stream>>,
        peer: SocketAddr,
        place: Place,
    ) {
        let phase = Phase::new(place);
        let io = Guarded::new(stream, self.runtime.clone(), &self.limits, phase.clone());
        let service = service_fn(|request| {
            // Recorded before the answer is polled: hyper may end the connection before that.
            let received = self.runtime.now();
            self.answer(request, peer, received, phase.answering(received))
        });
        let mut connection = Builder::new()
            .timer(HyperTimer::new(self.runtime.clone()))
            .header_read_timeout(self.limits.idle_timeout)
            .max_header_size(self.limits.max_head_bytes)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(HyperIo::new(io), service);
        let evicted = async { End::Evicted(phase.evicted().await) };
        let signal = async {
            self.shutdown.wait().await;
            End::CutOff
        };
        // The connection is polled first, so that a request that has already arrived is still answered.
        let serving = async { End::Of((&mut connection).await) };
        let mut ended = or(serving, or(evicted, signal)).await;
        if matches!(ended, End::CutOff) {
            Pin::new(&mut connection).graceful_shutdown();
            let abort = async {
                self.aborted.wait().await;
                End::CutOff
            };
            ended = or(async { End::Of((&mut connection).await) }, abort).await;
        }
        // A connection that has to make room does so immediately.
        if matches!(ended, End::Of(_)) && phase.is_undecided() {
            linger(&self.runtime, connection.into_parts().io.into_inner()).await;
        }
        self.on_ended(ended, peer, &phase);
    }

    fn on_turned_away(&self, why: TurnedAway) {
        match why {
            TurnedAway::Full => self.router.telemetry().http_refused(),
            TurnedAway::Tls => self.router.telemetry().http_tls_failed(),
            TurnedAway::Evicted => self.router.telemetry().http_closed(HttpClosed::IdleEvicted),
            TurnedAway::NotAccepted | TurnedAway::ProxyHeader => {}
        }
    }

    fn on_probe(&self, kind: ProbeKind, peer: SocketAddr, error: &dyn fmt::Display) {
        self.router.telemetry().probed(ListenerName::Http, kind);
        let peer = peer.to_string();
        self.probes.on_probe(self.runtime.now(), ListenerName::Http, kind, &peer, error);
    }
}

impl<R: Runtime, B: Backend> HttpServer<R, B> {
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        received: Instant,
        answering: Answering,
    ) -> Result<Response<Tracked>, Infallible> {
        let (head, _) = request.into_parts();
        let client = Client { address: peer.ip(), connection: answering.connection() };
        let response = if let Err(refused) = self.admit(&head, peer).await {
            self.router.refuse(&head, refused)
        } else if answering.is_ordinary {
            self.router.answer(&head, client, received).await
        } else {
            self.router.answer_briefly(&head, client, received).await
        };
        log_access(&head, response.status(), peer, self.runtime.now() - received);
        Ok(response.map(|body| Tracked { body, answering }))
    }

    /// Checks the credentials of a request, if some are required.
    async fn admit(&self, head: &http::request::Parts, peer: SocketAddr) -> Result<(), Refused> {
        let gate = self.gate.as_ref().filter(|_| Router::<B>::is_protected(head));
        let Some(gate) = gate else { return Ok(()) };
        let checked = gate.check(&self.runtime, &head.headers, peer.ip()).await;
        let Err(refused) = checked else { return Ok(()) };
        // A client that sends no credentials, as a browser at first, has not failed.
        if head.headers.contains_key(http::header::AUTHORIZATION) {
            let (now, telemetry) = (self.runtime.now(), self.router.telemetry());
            let address = peer.to_string();
            if let Some(suppressed) = telemetry.may_log(now, LogCause::HttpUnauthorized, &address) {
                warn!(%peer, ?refused, suppressed, "HTTP request refused: its credentials are wrong");
            }
        }
        Err(refused)
    }

    /// Counts and logs how a connection ended. A connection that the shutdown cuts off is nobody's fault.
    fn on_ended(&self, ended: End, peer: SocketAddr, phase: &Phase) {
        let telemetry = self.router.telemetry();
        let error = match ended {
            End::CutOff => return,
            End::Evicted(reason) => {
                telemetry.http_closed(reason);
                return self.log_closed(reason, peer);
            }
            End::Of(ended) => ended.err(),
        };
        let is_idle = error.as_ref().is_some_and(hyper::Error::is_timeout);
        let closed = phase.closed().or_else(|| is_idle.then_some(HttpClosed::Idle));
        if let Some(reason) = closed {
            telemetry.http_closed(reason);
        }
        let is_malformed = error.as_ref().is_some_and(hyper::Error::is_parse);
        if is_malformed {
            telemetry.http_malformed();
        }
        match (phase.probe(), closed, error) {
            (Some(_), Some(reason), _) => self.on_probe(ProbeKind::Silent, peer, &reason.value()),
            (Some(kind), None, Some(error)) => self.on_probe(kind, peer, &error),
            (Some(kind), None, None) => self.on_probe(kind, peer, &"closed without a request"),
            (None, Some(reason), _) => self.log_closed(reason, peer),
            // Malformed, after requests that were understood.
            (None, None, Some(error)) if is_malformed => {
                self.on_probe(ProbeKind::Unknown, peer, &error);
            }
            (None, None, Some(error)) => {
                debug!(%peer, error = %Line(error), "HTTP connection broke")
            }
            (None, None, None) => {}
        }
    }

    fn log_closed(&self, closed: HttpClosed, peer: SocketAddr) {
        let reason = closed.value();
        if closed == HttpClosed::Idle {
            return debug!(%peer, reason, "HTTP connection closed");
        }
        let (now, telemetry) = (self.runtime.now(), self.router.telemetry());
        if let Some(suppressed) = telemetry.may_log(now, LogCause::HttpClosed, &peer.to_string()) {
            warn!(%peer, reason, suppressed, "HTTP connection closed");
        }
    }
}

/// Ends our half of the connection, and waits a moment for the peer to end its half, which shows that it has read everything.
async fn linger<R: Runtime>(runtime: &R, mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut rest = [0; 512];
    let ending = async {
        // It may have ended already.
        let _ = io.close().await;
        for _ in 0..MAX_LINGER_READS {
            if io.read(&mut rest).await.is_ok_and(|len| len > 0) {
                continue;
            }
            break;
        }
    };
    let _ = timeout(runtime, runtime.now() + LINGER, ending).await;
}

/// How a connection ended.
enum End {
    /// By itself, or by a time limit.
    Of(Result<(), hyper::Error>),
    /// It had to make room for another one.
    Evicted(HttpClosed),
    /// By the shutdown.
    CutOff,
}

/// A body that reports when it is over, whether it was sent or dropped.
struct Tracked {
    body: AnswerBody,
    answering: Answering,
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = BodyAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyAborted>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(flushed) = self.body.take_ended() {
            self.answering.tell_flushed(flushed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn log_access(head: &http::request::Parts, status: StatusCode, peer: SocketAddr, took: Duration) {
    let (method, path) = (Line(&head.method), Line(head.uri.path()));
    debug!(%peer, %method, %path, status = status.as_u16(), ?took, "HTTP request answered");
}

/// How long a peer that has its answer may take to end the connection.
const LINGER: Duration = Duration::from_secs(1);

/// How many times data after the last request is read.
const MAX_LINGER_READS: usize = 16;

/// How many bytes of an answer are collected before they are written. hyper's default is six times as many, per connection.
const BUFFER_BYTES: usize = 64 * 1024;
