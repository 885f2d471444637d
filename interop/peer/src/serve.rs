//! The echo server.

use crate::ServeArgs;
use crate::sessions::{Claim, Sessions};
use crate::transport::{self, Stream};
use bytes::Bytes;
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{
    Config, Connection, Event, ResumeConfig, ResumeRequest,
};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_runtime::{DriverConfig, Listener, Owner, Runtime, drive};
use prometheus_rsocket_testkit::echo::Echo;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

/// Serves until the process is ended.
pub(crate) async fn run<R: Runtime>(runtime: R, args: ServeArgs) -> io::Result<bool> {
    let listener = runtime.bind(args.address).await?;
    println!("listening on {}", listener.local_addr()?);
    serve_all(runtime, listener, args).await
}

/// Serves whoever connects, until accepting fails.
pub(crate) async fn serve_all<R: Runtime>(
    runtime: R,
    listener: R::Listener,
    args: ServeArgs,
) -> io::Result<bool> {
    let sessions = Sessions::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let (connection, args, sessions) = (runtime.clone(), args.clone(), sessions.clone());
        runtime.spawn(async move {
            match serve(connection, stream, args, sessions).await {
                Ok(end) => println!("{end}"),
                Err(error) => println!("transport failed: {error}"),
            }
        });
    }
}

async fn serve<R: Runtime>(
    runtime: R,
    stream: R::Stream,
    args: ServeArgs,
    sessions: Sessions,
) -> io::Result<String> {
    let stream: Pin<Box<dyn Stream>> =
        if args.websocket { Box::pin(transport::upgrade(stream).await?) } else { Box::pin(stream) };
    let mut config = Config::default();
    config.mtu = args.mtu;
    config.serve_leases = true;
    config.resume = Some(ResumeConfig::default());
    let mut connection = Connection::server(config, runtime.now());
    let mut host = Host {
        sessions: &sessions,
        lease: args.lease,
        left: None,
        echo: Echo::default(),
        token: None,
        claim: None,
        end: None,
    };
    let driver = DriverConfig::default();
    let driven = drive(&runtime, stream, &mut connection, &mut host, &driver).await;
    let Host { token, echo, end, .. } = host;
    match token {
        Some(token) if connection.is_suspended() => {
            sessions.park(token, connection, echo);
            return Ok("suspended".to_owned());
        }
        Some(token) => sessions.end(&token),
        None => {}
    }
    driven.map(|driven| format!("{driven:?}: {}", end.unwrap_or_default()))
}

/// The owner of one connection.
struct Host<'a> {
    sessions: &'a Sessions,
    /// Requests in a lease.
    lease: u32,
    /// Of the last lease; `None` without leases.
    left: Option<u32>,
    echo: Echo,
    /// Where the connection can be resumed.
    token: Option<Bytes>,
    /// The client wants to resume another connection, which this one makes way for.
    claim: Option<ResumeRequest>,
    end: Option<String>,
}

impl Owner<Connection> for Host<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, connection: &mut Connection) {
        if self.token.as_ref().is_some_and(|token| self.sessions.is_claimed(cx, token)) {
            connection.handle_eof(now);
        }
        self.take_events(connection, now);
        if let Some(request) = self.claim.take() {
            self.resume(cx, now, connection, request);
            self.take_events(connection, now);
        }
        self.echo.send(connection);
    }
}

impl Host<'_> {
    fn take_events(&mut self, connection: &mut Connection, now: Instant) {
        while let Some(event) = connection.poll_event() {
            self.on_event(connection, event, now);
        }
    }

    fn on_event(&mut self, connection: &mut Connection, event: Event, now: Instant) {
        match event {
            Event::SetupReceived { setup } => {
                if let Some(token) = setup.resume_token {
                    if !self.sessions.begin(&token) {
                        let message = "too many connections to resume, or that token is taken";
                        connection.close(now, ErrorCode::REJECTED_SETUP, message);
                        return;
                    }
                    self.token = Some(token);
                }
                self.left = setup.lease.then_some(0);
                self.grant(connection, now);
            }
            Event::ResumeReceived { request } => self.claim = Some(request),
            Event::Resumed => {
                println!("resumed");
                self.left = self.left.map(|_| 0);
                self.grant(connection, now);
            }
            Event::MetadataPush { metadata } => println!("pushed {}", text(&metadata)),
            Event::FireAndForget { payload, .. } => {
                println!("told {}", text(&payload.data));
                self.count(connection, now);
            }
            Event::RequestResponse { .. }
            | Event::RequestStream { .. }
            | Event::RequestChannel { .. } => {
                self.echo.handle(connection, event, now);
                self.count(connection, now);
            }
            Event::StreamViolation { ref violation, .. } => println!("violation: {violation}"),
            Event::RequestRefused { refusal, .. } => println!("refused: {refusal}"),
            Event::Closed { ref reason } => self.end = Some(reason.to_string()),
            _ => self.echo.handle(connection, event, now),
        }
    }

    /// Counts a request, and grants the next lease where it was the last of one.
    fn count(&mut self, connection: &mut Connection, now: Instant) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.grant(connection, now);
    }

    fn grant(&mut self, connection: &mut Connection, now: Instant) {
        if self.left == Some(0) && connection.grant_lease(now, LEASE_TTL, self.lease, None).is_ok()
        {
            self.left = Some(self.lease);
        }
    }

    fn resume(
        &mut self,
        cx: &Context<'_>,
        now: Instant,
        connection: &mut Connection,
        request: ResumeRequest,
    ) {
        let token = request.token().clone();
        match self.sessions.claim(cx, &token) {
            Claim::Wait => self.claim = Some(request),
            Claim::Unknown => connection.reject_resume(now, "unknown token"),
            Claim::Taken(session) => {
                let (mut resumed, mut echo) = *session;
                // Its time may have passed meanwhile.
                resumed.handle_timeout(now);
                match resumed.accept_resume(now, &request) {
                    Ok(()) => {
                        mem::swap(connection, &mut resumed);
                        mem::swap(&mut self.echo, &mut echo);
                        self.token = Some(token);
                        // Leases may have been agreed on; they end with the transport.
                        self.left = connection.lease().map(|_| 0);
                    }
                    Err(error) => {
                        self.sessions.park(token, resumed, echo);
                        connection.reject_resume(now, &error.to_string());
                    }
                }
            }
        }
    }
}

/// What it was told; the beginning of it where it is long.
fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes.get(..100).unwrap_or(bytes)).into_owned()
}

/// No lease ends by its time here, but by its requests.
const LEASE_TTL: Duration = Duration::from_secs(3600);
