use crate::client::{Closed, Status};
use event_listener::Event as Notify;
use std::sync::{Mutex, PoisonError};

/// What handles can see.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    status: Mutex<Status>,
    changed: Notify,
}

impl Shared {
    pub(crate) fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn ready(&self) -> Result<(), Closed> {
        loop {
            let changed = self.changed.listen();
            match self.status() {
                Status::Ready { .. } => return Ok(()),
                Status::Closed => return Err(Closed),
                Status::Connecting | Status::Waiting { .. } => changed.await,
            }
        }
    }

    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.changed.listen();
            if self.status() == Status::Closed {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn set(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        self.changed.notify(usize::MAX);
    }
}
