//! Which proxy to connect to, where there are several.

use super::{Agent, Event, State};
use crate::rsocket::connection::Connection;
use crate::rsocket::frame::ErrorCode;
use std::num::NonZeroUsize;
use std::time::Instant;

/// Where the agent is in the list, and how it comes back to its beginning.
#[derive(Debug)]
pub(super) struct Proxies {
    count: usize,
    current: usize,
    /// How many were tried in this round, whose connections could not be opened or did not last.
    tried: usize,
    way_back: WayBack,
}

/// How it stands with an earlier proxy than the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WayBack {
    /// There is none, or no connection from which to go back.
    None,
    /// The earlier ones are to be probed then.
    Due(Instant),
    Probing(usize),
    /// One can be reached: the agent goes there between two scrapes.
    Open(usize),
    /// The connection is being closed for that.
    Leaving(usize),
}

impl Proxies {
    pub(super) fn new(count: NonZeroUsize) -> Self {
        Self { count: count.get(), current: 0, tried: 0, way_back: WayBack::None }
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// When the earlier proxies are to be probed.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.way_back {
            WayBack::Due(due) => Some(due),
            WayBack::None | WayBack::Probing(_) | WayBack::Open(_) | WayBack::Leaving(_) => None,
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.way_back, WayBack::Leaving(_))
    }

    /// The agent is not to go anywhere any more.
    pub(super) fn stay(&mut self) {
        self.way_back = WayBack::None;
    }

    /// A connection lasted: what failed before it counts no more.
    pub(super) fn on_stable(&mut self) {
        self.tried = 0;
    }

    /// There is no connection any more. Goes on to the earlier proxy for which it was closed, if it was, and says so.
    pub(super) fn go_back(&mut self) -> bool {
        let WayBack::Leaving(proxy) = std::mem::replace(&mut self.way_back, WayBack::None) else {
            return false;
        };
        self.current = proxy;
        self.tried = 0;
        true
    }

    /// Goes on to the next proxy, and says whether that is to be tried at once: not after the whole list has failed.
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
    /// Whether the proxy of [`Event::ProbeWanted`] can be reached. If so, the agent closes its connection between two scrapes, and
    /// connects there. What was not asked for, or not any more, has no effect.
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

    /// There is a key, or an earlier proxy could not be reached.
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

    /// Begins to go back to an earlier proxy, if there is one that can be reached and nobody waits for anything. Says whether it did.
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

/// Ends a connection as rsocket-java does on dispose.
pub(super) fn close(connection: &mut Connection, now: Instant) {
    connection.close(now, ErrorCode::CONNECTION_ERROR, "Disposed");
}
