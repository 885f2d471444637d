//! Connections that are to end, one by one or all of them, and what is still to be delivered then.

use super::{Hub, goodbye};
use prometheus_rsocket_protocol::collector::ConnectionId;
use std::task::Waker;
use std::time::Instant;

impl Hub {
    /// Ends every connection by an ERROR frame, and takes no more.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        let wakers = state.inboxes.values().filter_map(|inbox| inbox.put(goodbye()));
        let wakers: Vec<Waker> = wakers.collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Says that the proxy is about to stop.
    pub(crate) fn set_leaving(&self) {
        self.lock().leaving = true;
    }

    /// Whether the proxy is about to stop.
    pub(crate) fn is_leaving(&self) -> bool {
        self.lock().leaving
    }

    /// Refuses applications from now on.
    pub(crate) fn refuse(&self) {
        self.lock().draining = true;
    }

    /// Connections of applications that are set up, and when they were accepted.
    pub(crate) fn connections(&self) -> Vec<(Instant, ConnectionId)> {
        let state = self.lock();
        let up = state.collector.apps().filter(|app| app.is_up());
        up.filter_map(|app| Some((app.since, app.connection?))).collect()
    }

    /// All connections, set up or not.
    pub(crate) fn all_connections(&self) -> Vec<ConnectionId> {
        self.lock().inboxes.keys().copied().collect()
    }

    /// Ends a connection that is not being scraped; says whether it does.
    pub(crate) fn let_go(&self, now: Instant, connection: ConnectionId, message: &str) -> bool {
        self.with(now, |state| state.collector.let_go(connection, message))
    }

    /// Ends a connection after the next request; says whether that is news.
    pub(crate) fn let_go_after_request(
        &self,
        now: Instant,
        connection: ConnectionId,
        message: &str,
    ) -> bool {
        self.with(now, |state| state.collector.let_go_after_request(connection, message))
    }

    /// Of [`missed_pushes`](Self::missed_pushes), those that were not even sent.
    pub(crate) fn unsent_pushes(&self, now: Instant) -> usize {
        self.lock().collector.unsent_pushes(now)
    }

    /// Pushes that nobody has had, or that a scraper that was seen in the last ten minutes has not had.
    pub(crate) fn missed_pushes(&self, now: Instant) -> usize {
        self.lock().collector.missed_pushes(now)
    }

    /// Resolves once no connection is left.
    pub(crate) async fn drained(&self) {
        loop {
            let listener = self.gone.listen();
            if self.lock().inboxes.is_empty() {
                return;
            }
            listener.await;
        }
    }
}
