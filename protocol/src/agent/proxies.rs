//! Selection among several proxies.

use super::{Agent, Event, State};
use crate::rsocket::connection::Connection;
use crate::rsocket::frame::ErrorCode;
use std::num::NonZeroUsize;
use std::time::Instant;

/// The agent's place in the list, and its way back to the beginning.
#[derive(Debug)]
pub(super) struct Proxies {
    count: usize,
    current: usize,
    /// Proxies tried in this round whose connections could not be opened or did not last.
    tried: usize,
    way_back: WayBack,
}

/// The state of the return to an earlier proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WayBack {
    /// There is no earlier proxy, or no connection to return from.
    None,
    /// The earlier proxies are to be probed at this time.
    Due(Instant),
    Probing(usize),
    /// This proxy can be reached: the agent goes there once no scrape or push is under way.
    Open(usize),
    /// The connection is being closed in order to return.
    Leaving(usize),
}

impl Proxies {
    pub(super) fn new(count: NonZeroUsize) -> Self {
        Self { count: count.get(), current: 0, tried: 0, way_back: WayBack::None }
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// The time to probe the earlier proxies.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.way_back {
            WayBack::Due(due) => Some(due),
            WayBack::None | WayBack::Probing(_) | WayBack::Open(_) | WayBack::Leaving(_) => None,
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.way_back, WayBack::Leaving(_))
    }

    /// The agent stays with its proxy: it is closing.
    pub(super) fn stay(&mut self) {
        self.way_back = WayBack::None;
    }

    /// A connection lasted, so earlier failures no longer count.
    pub(super) fn on_stable(&mut self) {
        self.tried = 0;
    }

    /// The connection is over. If it was closed in order to return to an earlier proxy, selects that one; returns whether it did.
    pub(super) fn go_back(&mut self) -> bool {
        let WayBack::Leaving(proxy) = std::mem::replace(&mut self.way_back, WayBack::None) else {
            return false;
        };
        self.current = proxy;
        self.tried = 0;
        true
    }

    /// Selects the next proxy. Returns whether to try it immediately: not if the whole list has failed.
    pub(super) fn go_on(&mut self) -> bool {
        self.tried += 1;
        let is_at_once = self.tried < self.count;
        if is_at_once {
            self.current = (self.current + 1) % self.count;
        } else {
            (self.current, self.tried) = (0, 0);
        }
        is_at_once
    }
}

impl Agent {
    /// Answers [`Event::ProbeWanted`]: whether the proxy can be reached. If so, the agent closes its connection once no scrape
    /// or push is under way, and connects to that proxy. Ignored if this probe is not, or no longer, wanted.
    pub fn handle_probed(&mut self, now: Instant, proxy: usize, is_open: bool) {
        if self.proxies.way_back != WayBack::Probing(proxy) {
            return;
        }
        if is_open {
            self.proxies.way_back = WayBack::Open(proxy);
        } else if proxy + 1 < self.proxies.current {
            self.probe(proxy + 1);
        } else {
            self.plan_return(now);
        }
        self.translate(now);
    }

    /// Plans the next probe: a key has arrived, or no earlier proxy could be reached.
    pub(super) fn plan_return(&mut self, now: Instant) {
        if self.proxies.current > 0 {
            let after = self.backoff.spread(self.config.return_after);
            let due = now.checked_add(after).map_or(WayBack::None, WayBack::Due);
            self.proxies.way_back = due;
        }
    }

    pub(super) fn on_return_due(&mut self, now: Instant) {
        if self.proxies.due().is_some_and(|due| due <= now) {
            self.probe(0);
        }
    }

    fn probe(&mut self, proxy: usize) {
        self.proxies.way_back = WayBack::Probing(proxy);
        self.events.push_back(Event::ProbeWanted { proxy });
    }

    /// Starts returning to an earlier proxy if one can be reached and no scrape or push is under way. Returns whether it did.
    pub(super) fn leave_if_quiet(&mut self, now: Instant) -> bool {
        let WayBack::Open(proxy) = self.proxies.way_back else { return false };
        if self.is_stopping || self.is_pushing() || !self.wanted.is_empty() {
            return false;
        }
        let State::Connected { connection, .. } = &mut self.state else { return false };
        if connection.open_streams() > 0 {
            return false;
        }
        self.proxies.way_back = WayBack::Leaving(proxy);
        close(connection, now);
        true
    }
}

/// Closes a connection as rsocket-java does on dispose.
pub(super) fn close(connection: &mut Connection, now: Instant) {
    connection.close(now, ErrorCode::CONNECTION_ERROR, "Disposed");
}
