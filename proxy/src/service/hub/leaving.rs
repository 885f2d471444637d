//! Ending connections, one by one or all of them, and what is still to be delivered then.

use super::{Hub, goodbye};
use prometheus_rsocket_protocol::collector::ConnectionId;
use std::task::Waker;
use std::time::Instant;

impl Hub {
    /// Ends every connection by an ERROR frame, and accepts no more.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        let wakers = state.inboxes.values().filter_map(|inbox| inbox.put(goodbye()));
        let wakers: Vec<Waker> = wakers.collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Notes that the proxy is about to stop.
    pub(crate) fn set_leaving(&self) {
        self.lock().leaving = true;
    }

    /// Returns whether the proxy is about to stop.
    pub(crate) fn is_leaving(&self) -> bool {
        self.lock().leaving
    }

    /// Refuses applications from now on.
    pub(crate) fn refuse(&self) {
        self.lock().draining = true;
    }

    /// Returns the connections of applications that are set up, and when they were accepted.
    pub(crate) fn connections(&self) -> Vec<(Instant, ConnectionId)> {
        let state = self.lock();
        let up = state.collector.apps().filter(|app| app.is_up());
        up.filter_map(|app| Some((app.since, app.connection?))).collect()
    }

    /// Returns all connections, set up or not.
    pub(crate) fn all_connections(&self) -> Vec<ConnectionId> {
        self.lock().inboxes.keys().copied().collect()
    }

    /// Ends a connection unless it is being scraped. Returns whether it did.
    pub(crate) fn let_go(&self, now: Instant, connection: ConnectionId, message: &str) -> bool {
        self.with(now, |state| state.collector.let_go(connection, message))
    }

    /// Ends a connection after its next request. Returns whether this was not intended already.
    pub(crate) fn let_go_after_request(
        &self,
        now: Instant,
        connection: ConnectionId,
        message: &str,
    ) -> bool {
        self.with(now, |state| state.collector.let_go_after_request(connection, message))
    }

    /// Returns how many of the [missed pushes](Self::missed_pushes) were not even sent.
    pub(crate) fn unsent_pushes(&self, now: Instant) -> usize {
        self.lock().collector.unsent_pushes(now)
    }

    /// Returns how many pushes nobody has had, or some scraper that was seen in the last ten minutes has not had.
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
