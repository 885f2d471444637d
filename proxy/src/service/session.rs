use crate::service::hub::Hub;
use crate::service::inbox::Inbox;
use crate::service::memory::Lease;
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::collector::{ConnectionId, Session, SessionCommand};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_runtime::{DriverConfig, Line, Owner, Runtime, drive};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Runs one application's connection to its end. Fails if its transport did. Calls `on_set_up` when its SETUP has arrived.
pub(crate) async fn run<R, S>(
    runtime: R,
    hub: Arc<Hub>,
    stream: S,
    mut session: Box<Session>,
    inbox: Arc<Inbox>,
    on_set_up: impl FnOnce(),
) -> io::Result<()>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connection = session.id();
    let _guard = Leave { runtime: runtime.clone(), hub: Arc::clone(&hub), connection };
    let lease = hub.memory().lease();
    let mut owner =
        SessionOwner { hub, inbox, lease, is_evicted: false, on_set_up: Some(on_set_up) };
    let config = DriverConfig::default();
    let end = drive(&runtime, stream, session.as_mut(), &mut owner, &config).await;
    let end = end.inspect_err(
        |error| tracing::debug!(%connection, error = %Line(error), "transport failed"),
    )?;
    tracing::trace!(%connection, ?end, "connection ended");
    Ok(())
}

/// Tells the hub that a connection's task has ended, also if it panicked or was dropped.
struct Leave<R: Runtime> {
    runtime: R,
    hub: Arc<Hub>,
    connection: ConnectionId,
}

impl<R: Runtime> Drop for Leave<R> {
    fn drop(&mut self) {
        self.hub.remove(self.runtime.now(), self.connection);
    }
}

struct SessionOwner<F> {
    hub: Arc<Hub>,
    inbox: Arc<Inbox>,
    lease: Lease,
    is_evicted: bool,
    on_set_up: Option<F>,
}

impl<F: FnOnce()> Owner<Session> for SessionOwner<F> {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, session: &mut Session) {
        self.take_commands(cx, now, session);
        if !self.is_evicted && self.lease.is_evicted() {
            self.is_evicted = true;
            self.hub.count_evicted();
            evict(now, session);
        }
        // The first event is SETUP, or the end.
        if session.has_events()
            && !session.is_closed()
            && let Some(on_set_up) = self.on_set_up.take()
        {
            on_set_up();
        }
        // A session that has events waiting reads no more. For a closed one, this may be the last chance to take them.
        while session.has_events()
            && (session.is_closed() || self.poll_turn(cx, now, session))
            && let Some(event) = session.poll_event()
        {
            self.hub.handle_session(now, session.id(), event);
            // Immediately: answers to pushes must not pile up in the inbox.
            self.take_commands(cx, now, session);
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>, now: Instant, held: usize) -> Poll<usize> {
        self.lease.poll_hold(cx, now, held)
    }
}

impl<F> SessionOwner<F> {
    /// Whether the next event may be handed on. While it may not, what the connection holds is not held against it.
    fn poll_turn(&mut self, cx: &Context<'_>, now: Instant, session: &Session) -> bool {
        let turn = self.hub.poll_room(cx, session.id(), session.next_is_answer());
        self.lease.set_held_back(now, turn.is_pending());
        turn.is_ready()
    }

    fn take_commands(&self, cx: &Context<'_>, now: Instant, session: &mut Session) {
        while let Poll::Ready(command) = self.inbox.poll_next(cx) {
            session.handle_command(now, command);
        }
    }
}

/// Ends a connection whose memory others need.
fn evict(now: Instant, session: &mut Session) {
    // A peer that does not read would not read an ERROR either.
    if session.held_bytes() > FAREWELL_BYTES {
        session.handle_transport_failed(now, EVICTED);
    } else {
        let (code, message) = (ErrorCode::CONNECTION_ERROR, EVICTED.to_owned());
        session.handle_command(now, SessionCommand::Close { code, message });
    }
}

const EVICTED: &str = "the proxy's memory for connections is used up, and this one has held much of it for long (--max-memory)";

/// Bytes that may wait before an ERROR that ends a connection. With more, the transport ends without one.
const FAREWELL_BYTES: usize = 64 * 1024;
