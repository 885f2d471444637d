use crate::service::hub::Hub;
use crate::service::inbox::Inbox;
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_protocol::collector::{ConnectionId, Session};
use prometheus_rsocket_runtime::{DriverConfig, Owner, Runtime, drive};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Runs one application's connection to its end; fails if its transport did.
pub(crate) async fn run<R, S>(
    runtime: R,
    hub: Arc<Hub>,
    stream: S,
    mut session: Session,
    inbox: Arc<Inbox>,
) -> io::Result<()>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connection = session.id();
    let _guard = Leave { runtime: runtime.clone(), hub: Arc::clone(&hub), connection };
    let mut owner = SessionOwner { hub, inbox };
    let config = DriverConfig::default();
    let end = drive(&runtime, stream, &mut session, &mut owner, &config).await;
    let end = end.inspect_err(|error| tracing::debug!(%connection, %error, "transport failed"))?;
    tracing::trace!(%connection, ?end, "connection ended");
    Ok(())
}

/// Tells the hub that a connection's task is over, also if it panicked or was dropped.
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

struct SessionOwner {
    hub: Arc<Hub>,
    inbox: Arc<Inbox>,
}

impl Owner<Session> for SessionOwner {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, session: &mut Session) {
        self.take_commands(cx, now, session);
        while let Some(event) = session.poll_event() {
            self.hub.handle_session(now, session.id(), event);
            // At once: answers to pushes must not pile up in the inbox.
            self.take_commands(cx, now, session);
        }
    }
}

impl SessionOwner {
    fn take_commands(&self, cx: &Context<'_>, now: Instant, session: &mut Session) {
        while let Poll::Ready(command) = self.inbox.poll_next(cx) {
            session.handle_command(now, command);
        }
    }
}
