//! The state of the connection between a client and the proxy.

use crate::own::Counters;
use event_listener::{Event as Notify, EventListener};
use futures_lite::{FutureExt, Stream};
use prometheus_rsocket_protocol::report::Report;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// The state of the connection between a client and the proxy. [`Client::status`](crate::Client::status) returns it, and
/// [`Client::status_changes`](crate::Client::status_changes) returns every change; it has an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// A connection is being opened, or is open and waits for the proxy's key.
    #[default]
    Connecting,
    /// The proxy can scrape the client.
    Ready {
        /// The proxy's last report about the metrics, such as that they are refused. The original Java proxy sends none.
        report: Option<Report>,
    },
    /// There is no connection; another attempt follows.
    Waiting {
        /// Why the last one ended, or could not be opened.
        reason: String,
        /// The time of the next attempt, by the runtime's clock.
        retry_at: Instant,
    },
    /// As many attempts to connect have failed as [`max_retries`](crate::ClientBuilder::max_retries) allows. The client is closed.
    GaveUp {
        /// Why the last one failed.
        reason: String,
    },
    /// The client is closed, or its future was dropped.
    Closed,
}

impl Status {
    /// Returns whether no other status follows.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::Closed)
    }
}

/// A [`Stream`] of a client's [`Status`]. It begins with the current one, and ends after the one that [is final](Status::is_final). A status that is
/// over before the stream is polled is skipped.
///
/// It does not keep the client running.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct StatusChanges {
    shared: Arc<Shared>,
    last: Option<Status>,
    changed: Option<EventListener>,
}

impl Stream for StatusChanges {
    type Item = Status;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        let this = &mut *self;
        loop {
            if this.last.as_ref().is_some_and(Status::is_final) {
                return Poll::Ready(None);
            }
            if let Some(changed) = &mut this.changed {
                ready!(changed.poll(cx));
                this.changed = None;
            }
            // Listens before it looks, so that no change is lost.
            this.changed = Some(this.shared.changed.listen());
            let status = this.shared.status();
            if this.last.as_ref() != Some(&status) {
                this.last = Some(status.clone());
                return Poll::Ready(Some(status));
            }
        }
    }
}

impl StatusChanges {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, last: None, changed: None }
    }

    /// Returns the next status, or `None` after the final one.
    pub async fn next(&mut self) -> Option<Status> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

/// The part of a client that its handles see.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    status: Mutex<Status>,
    changed: Notify,
    pub(crate) counters: Counters,
}

impl Shared {
    pub(crate) fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a status that `is_awaited` accepts, and returns it.
    pub(crate) async fn until(&self, is_awaited: impl Fn(&Status) -> bool) -> Status {
        loop {
            let changed = self.changed.listen();
            let status = self.status();
            if is_awaited(&status) {
                return status;
            }
            changed.await;
        }
    }

    /// Changes the status, unless it is final.
    pub(crate) fn set(&self, status: Status) {
        let mut current = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.is_final() {
            *current = status;
        }
        drop(current);
        self.changed.notify(usize::MAX);
    }
}
