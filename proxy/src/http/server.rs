use super::{
    AnswerBody, Backend, BodyAborted, Router,
    guard::{Answering, Guarded, Phase},
};
use crate::ingress::acceptor::{Acceptor, Serve, TurnedAway};
use crate::ingress::slots::{Slot, Slots};
use crate::observe::probes::ProbeLog;
use crate::observe::telemetry::{ListenerName, ProbeKind};
use crate::proxy::HTTP;
use crate::shutdown::{self, Shutdown};
use bytes::Bytes;
use futures_lite::future::or;
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
    error::Error,
    fmt, io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tracing::{debug, warn};

/// What a client of the HTTP side may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open; more are closed at once.
    pub max_connections: usize,
    /// How long TLS may take to be set up, where it is used.
    pub handshake_timeout: Duration,
    /// How long the head of a request may be.
    pub max_head_bytes: usize,
    /// How long the head of a request may take from its first byte.
    pub head_timeout: Duration,
    /// How long a connection may wait for a request. Longer than usual scrape intervals, so that these keep theirs.
    pub idle_timeout: Duration,
    /// How long a client may keep an answer waiting that it does not read.
    pub stall_timeout: Duration,
    /// How long answers under way may take to end after the shutdown signal.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            handshake_timeout: Duration::from_secs(10),
            max_head_bytes: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(150),
            stall_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(15),
        }
    }
}

/// Serves HTTP until the shutdown signal; then no more connections are accepted, and idle ones are closed. Returns when the answers
/// under way have been sent, or have taken too long.
pub(crate) async fn serve<R: Runtime, B: Backend>(
    runtime: R,
    listener: R::Listener,
    tls: Option<ServerTls>,
    router: Arc<Router<B>>,
    limits: Limits,
    shutdown: Shutdown,
) {
    let (abort, aborted) = shutdown::channel();
    let slots = Slots::new(limits.max_connections);
    let probes = ProbeLog::new(router.telemetry());
    let server = HttpServer {
        runtime: runtime.clone(),
        router,
        limits,
        shutdown: shutdown.clone(),
        aborted,
        probes,
    };
    let acceptor = Acceptor {
        runtime: runtime.clone(),
        name: HTTP,
        tls,
        handshake_timeout: limits.handshake_timeout,
        slots: Arc::clone(&slots),
        shutdown,
        server: Arc::new(server),
        logs: Default::default(),
    };
    acceptor.run(listener).await;
    let give_up = runtime.now() + limits.shutdown_timeout;
    if timeout(&runtime, give_up, slots.wait_empty()).await.is_err() {
        let connections = slots.taken();
        warn!(connections, "HTTP answers cut off: they took too long to end");
        abort.trigger();
    }
}

/// Serves HTTP connections.
struct HttpServer<R, B> {
    runtime: R,
    router: Arc<Router<B>>,
    limits: Limits,
    /// Idle connections end when it is triggered, others after their answer.
    shutdown: Shutdown,
    /// All connections end when it is triggered.
    aborted: Shutdown,
    probes: ProbeLog,
}

impl<R: Runtime, B: Backend> Serve<R> for HttpServer<R, B> {
    async fn serve(self: Arc<Self>, stream: MaybeTls<R::Stream>, peer: SocketAddr, _slot: Slot) {
        let phase = Phase::default();
        let io = Guarded::new(stream, self.runtime.clone(), &self.limits, phase.clone());
        let service = service_fn(|request| self.answer(request, peer, phase.answering()));
        let mut connection = pin!(
            Builder::new()
                .timer(HyperTimer::new(self.runtime.clone()))
                .header_read_timeout(self.limits.idle_timeout)
                .max_header_size(self.limits.max_head_bytes)
                .max_buf_size(BUFFER_BYTES)
                .serve_connection(HyperIo::new(io), service)
        );
        let signal = async {
            self.shutdown.wait().await;
            None
        };
        // The connection comes first: a request that has already come is still answered.
        let mut ended = or(async { Some(connection.as_mut().await) }, signal).await;
        if ended.is_none() {
            connection.as_mut().graceful_shutdown();
            let abort = async {
                self.aborted.wait().await;
                None
            };
            ended = or(async { Some(connection.as_mut().await) }, abort).await;
        }
        // Nobody is blamed for what the shutdown cuts off.
        let probe = phase.probe().filter(|_| ended.is_some());
        if let Some(Err(error)) = ended {
            self.on_connection_error(&error, peer, probe);
        } else if let Some(kind) = probe {
            self.on_probe(kind, peer, &"closed without a request");
        }
    }

    fn on_turned_away(&self, why: TurnedAway) {
        match why {
            TurnedAway::Full => self.router.telemetry().http_refused(),
            TurnedAway::Tls => self.router.telemetry().http_tls_failed(),
            TurnedAway::NotAccepted => {}
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
        answering: Answering,
    ) -> Result<Response<Tracked>, Infallible> {
        let received = self.runtime.now();
        let (head, _) = request.into_parts();
        let response = self.router.answer(&head, peer.ip(), received).await;
        log_access(&head, response.status(), peer, self.runtime.now() - received);
        Ok(response.map(|body| Tracked { body, answering }))
    }

    fn on_connection_error(
        &self,
        error: &hyper::Error,
        peer: SocketAddr,
        probe: Option<ProbeKind>,
    ) {
        if error.is_parse() {
            self.router.telemetry().http_malformed();
        }
        match probe {
            // A time limit was over, hyper's or one of the stream's.
            Some(_) if is_timeout(error) => self.on_probe(ProbeKind::Silent, peer, error),
            Some(kind) => self.on_probe(kind, peer, error),
            // After requests that were understood.
            None if error.is_parse() => self.on_probe(ProbeKind::Unknown, peer, error),
            None => debug!(%peer, error = %Line(error), "HTTP connection broke"),
        }
    }
}

/// A body that tells when it is over, whether it was sent or dropped.
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

fn is_timeout(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    error.is_timeout() || source.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn log_access(head: &http::request::Parts, status: StatusCode, peer: SocketAddr, took: Duration) {
    let (method, path) = (Line(&head.method), Line(head.uri.path()));
    debug!(%peer, %method, %path, status = status.as_u16(), ?took, "HTTP request answered");
}

/// How much of an answer is collected before it is written. hyper's default is six times that, per connection.
const BUFFER_BYTES: usize = 64 * 1024;
