use super::{
    AnswerBody, Backend, BodyAborted, Router,
    guard::{Answering, Guarded, Phase},
};
use crate::ingress::slots::{Slot, Slots};
use crate::ingress::throttle::Throttle;
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
use prometheus_rsocket_runtime::{HyperIo, HyperTimer, Listener, Runtime, sleep_until, timeout};
use std::{
    convert::Infallible,
    io,
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

/// Serves HTTP until the shutdown signal is given; then no more connections are accepted, and idle ones are closed.
/// Returns when the answers under way have been sent, or have taken too long.
pub async fn serve<R: Runtime, B: Backend>(
    runtime: R,
    listener: R::Listener,
    tls: Option<ServerTls>,
    router: Arc<Router<B>>,
    limits: Limits,
    shutdown: Shutdown,
) {
    let slots = Slots::new(limits.max_connections);
    let (abort, aborted) = shutdown::channel();
    let logs = Arc::default();
    let server = Server { runtime: runtime.clone(), tls, router, limits, shutdown, aborted, logs };
    server.accept_all(listener, &slots).await;
    let give_up = runtime.now() + limits.shutdown_timeout;
    if timeout(&runtime, give_up, slots.wait_empty()).await.is_err() {
        warn!(connections = slots.taken(), "HTTP answers cut off: they took too long to end");
        abort.trigger();
    }
}

/// What all connections share.
struct Server<R, B> {
    runtime: R,
    tls: Option<ServerTls>,
    router: Arc<Router<B>>,
    limits: Limits,
    shutdown: Shutdown,
    aborted: Shutdown,
    logs: Arc<Logs>,
}

/// Of each kind of trouble there is at most one line in the log per period.
#[derive(Debug, Default)]
struct Logs {
    refused: Throttle,
    not_accepted: Throttle,
    malformed: Throttle,
    tls: Throttle,
}

impl<R: Runtime, B: Backend> Server<R, B> {
    async fn accept_all(&self, listener: R::Listener, slots: &Arc<Slots>) {
        loop {
            let signal = async {
                self.shutdown.wait().await;
                None
            };
            let Some(accepted) = or(signal, async { Some(listener.accept().await) }).await else {
                return;
            };
            match accepted {
                Ok((stream, peer)) => self.on_connection(stream, peer, slots),
                Err(error) => self.on_accept_error(&error).await,
            }
        }
    }

    fn on_connection(&self, stream: R::Stream, peer: SocketAddr, slots: &Arc<Slots>) {
        let Some(slot) = slots.take() else {
            self.router.telemetry().http_refused();
            if let Some(suppressed) = self.logs.refused.pass(self.runtime.now()) {
                let max = self.limits.max_connections;
                warn!(max, suppressed, "HTTP connection refused: too many are open");
            }
            return;
        };
        self.runtime.spawn(self.clone().serve_connection(stream, peer, slot));
    }

    async fn on_accept_error(&self, error: &io::Error) {
        let now = self.runtime.now();
        if let Some(suppressed) = self.logs.not_accepted.pass(now) {
            warn!(%error, suppressed, "HTTP connection not accepted");
        }
        sleep_until(&self.runtime, now + ACCEPT_PAUSE).await;
    }

    async fn serve_connection(self, stream: R::Stream, peer: SocketAddr, _slot: Slot) {
        let Some(stream) = Box::pin(self.secured(stream)).await else { return };
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
        if let Some(Err(error)) = ended {
            self.on_connection_error(&error, peer);
        }
    }

    /// The stream under TLS, where this side has it.
    async fn secured(&self, stream: R::Stream) -> Option<MaybeTls<R::Stream>> {
        let Some(tls) = &self.tls else { return Some(MaybeTls::Plain(stream)) };
        let deadline = self.runtime.now() + self.limits.handshake_timeout;
        let accepted = timeout(&self.runtime, deadline, tls.accept(stream));
        let accepted = or(async { Some(accepted.await) }, async {
            self.shutdown.wait().await;
            None
        });
        let error = match accepted.await?.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        // Load balancers look whether anybody is there, and go without a word.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            debug!(%error, "HTTP connection ended before TLS was set up");
            return None;
        }
        self.router.telemetry().http_tls_failed();
        if let Some(suppressed) = self.logs.tls.pass(self.runtime.now()) {
            warn!(%error, suppressed, "TLS handshake failed on an HTTP connection");
        }
        None
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        answering: Answering,
    ) -> Result<Response<Tracked>, Infallible> {
        let received = self.runtime.now();
        let (head, _) = request.into_parts();
        let response = self.router.answer(&head, received).await;
        log_access(&head, response.status(), peer, self.runtime.now() - received);
        Ok(response.map(|body| Tracked { body, _answering: answering }))
    }

    fn on_connection_error(&self, error: &hyper::Error, peer: SocketAddr) {
        if !error.is_parse() {
            debug!(%peer, %error, "HTTP connection broke");
            return;
        }
        self.router.telemetry().http_malformed();
        if let Some(suppressed) = self.logs.malformed.pass(self.runtime.now()) {
            warn!(%error, suppressed, "HTTP request malformed");
        }
    }
}

impl<R: Clone, B> Clone for Server<R, B> {
    fn clone(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            tls: self.tls.clone(),
            router: Arc::clone(&self.router),
            limits: self.limits,
            shutdown: self.shutdown.clone(),
            aborted: self.aborted.clone(),
            logs: Arc::clone(&self.logs),
        }
    }
}

/// A body that tells when it is over, whether it was sent or dropped.
struct Tracked {
    body: AnswerBody,
    _answering: Answering,
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = BodyAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyAborted>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn log_access(head: &http::request::Parts, status: StatusCode, peer: SocketAddr, took: Duration) {
    let (method, path) = (&head.method, head.uri.path());
    debug!(%peer, %method, path, status = status.as_u16(), ?took, "HTTP request answered");
}

/// When the system is short of something, trying again at once would only burn processor time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much of an answer is collected before it is written. hyper's default is six times that, per connection.
const BUFFER_BYTES: usize = 64 * 1024;
