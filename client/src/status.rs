//! How it stands between a client and the proxy.

use crate::own::Counters;
use event_listener::{Event as Notify, EventListener};
use futures_lite::{FutureExt, Stream};
use prometheus_rsocket_protocol::report::Report;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// How it stands between a client and the proxy. [`Client::status`](crate::Client::status) tells it, and
/// [`Client::status_changes`](crate::Client::status_changes) whenever it changes; there is the example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// A connection is being opened, or is open and waits for the proxy's key.
    #[default]
    Connecting,
    /// The proxy can scrape the client.
    Ready {
        /// What the proxy last said about the metrics, if it has anything to say: that they are refused, say. The original Java proxy
        /// says nothing.
        report: Option<Report>,
    },
    /// There is no connection; another attempt follows.
    Waiting {
        /// Why the last one ended, or did not come about.
        reason: String,
        /// When the next attempt follows, by the runtime's clock.
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
    /// Whether it is the last one.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::Closed)
    }
}

/// The [`Status`] of a client whenever it changes, as a [`Stream`]; begins with the current one, and ends after the one that
/// [is final](Status::is_final). Only the latest counts: a status that is over before the stream is polled is passed over.
///
/// It keeps no client running.
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
            // Listened for before it is looked at, so that no change is lost.
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

    /// The next status, or `None` after the final one.
    pub async fn next(&mut self) -> Option<Status> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

/// What handles can see.
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

    /// Waits for a status.
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
