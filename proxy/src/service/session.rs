use crate::service::hub::Hub;
use async_channel::Receiver;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::Stream;
use prometheus_rsocket_protocol::collector::{AppId, Session, SessionCommand};
use prometheus_rsocket_runtime::{DriverConfig, Owner, Runtime, drive};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Runs one application's connection to its end; fails if its transport did.
pub(crate) async fn run<R, S>(
    runtime: R,
    hub: Arc<Hub>,
    stream: S,
    mut session: Session,
    inbox: Receiver<SessionCommand>,
) -> io::Result<()>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let app = session.app();
    let _guard = Leave { runtime: runtime.clone(), hub: Arc::clone(&hub), app };
    let mut owner = SessionOwner { hub, inbox: Box::pin(inbox) };
    let config = DriverConfig::default();
    let end = drive(&runtime, stream, &mut session, &mut owner, &config).await;
    let end = end.inspect_err(|error| tracing::debug!(%app, %error, "transport failed"))?;
    tracing::trace!(%app, ?end, "connection ended");
    Ok(())
}

/// Tells the hub that a connection's task is over, also if it panicked or was dropped.
struct Leave<R: Runtime> {
    runtime: R,
    hub: Arc<Hub>,
    app: AppId,
}

impl<R: Runtime> Drop for Leave<R> {
    fn drop(&mut self) {
        self.hub.remove_app(self.runtime.now(), self.app);
    }
}

struct SessionOwner {
    hub: Arc<Hub>,
    inbox: Pin<Box<Receiver<SessionCommand>>>,
}

impl Owner<Session> for SessionOwner {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, session: &mut Session) {
        while let Poll::Ready(Some(command)) = self.inbox.as_mut().poll_next(cx) {
            session.handle_command(now, command);
        }
        while let Some(event) = session.poll_event() {
            self.hub.handle_session(now, session.app(), event);
        }
    }
}
