//! Leases: how many requests each side may send, and until when (Protocol.md, "Lease Semantics").

use super::Connection;
use super::error::RequestError;
use super::event::Event;
use crate::rsocket::frame::{Body, Frame};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Both directions of a connection whose SETUP had flag L.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leases {
    /// What we allow the peer.
    pub(super) granted: Lease,
    /// What was left of that when earlier transports were lost: requests that were lost with them are sent again.
    carried: u32,
    /// What the peer allows us.
    pub(super) received: Lease,
}

/// What is left of the last LEASE frame, which overrides all before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    left: u32,
    /// `None` is beyond what an `Instant` can say; it matters only while something is left.
    until: Option<Instant>,
}

impl Leases {
    /// The transport is lost, and with it what the peer allows us (Protocol.md, "Resume Operation").
    pub(super) fn suspend(&mut self) {
        self.received = Lease::default();
    }

    /// There is a new transport, on which nothing is allowed yet. Requests that were within the lease are sent again; which
    /// those are nobody can tell, but not how many they are at most.
    pub(super) fn resume(&mut self) {
        let carried = self.carried.saturating_add(self.granted.left);
        *self = Self { carried, ..Self::default() };
    }

    /// Whether a request of the peer's is within what we allow it; counts it.
    fn take(&mut self, now: Instant) -> bool {
        if self.granted.take(now) {
            return true;
        }
        let is_late = self.carried > 0;
        self.carried = self.carried.saturating_sub(1);
        is_late
    }
}

impl Lease {
    fn new(now: Instant, ttl: Duration, requests: u32) -> Self {
        let left = if ttl.is_zero() { 0 } else { requests };
        Self { left, until: now.checked_add(ttl) }
    }

    /// Uses one up, unless the time is over; says whether there was one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.expire(now);
        let had = self.left > 0;
        self.left = self.left.saturating_sub(1);
        had
    }

    pub(super) fn expire(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.left = 0;
        }
    }

    pub(super) fn left(&self) -> u32 {
        self.left
    }

    /// When what is left is void.
    pub(super) fn expiry(&self) -> Option<Instant> {
        self.until.filter(|_| self.left > 0)
    }
}

impl Connection {
    /// Sends LEASE: the peer may send so many requests, of any kind, within so much time from now, in place of what it
    /// was allowed before. With 0 of either it may send none. What it sends beyond is answered by ERROR REJECTED.
    ///
    /// `ttl` counts whole milliseconds, 31 bits of them, as `requests` does; more is cut to that.
    ///
    /// # Errors
    ///
    /// SETUP had no flag L, the connection is over, or the frame cannot be queued now.
    pub fn grant_lease(
        &mut self,
        now: Instant,
        ttl: Duration,
        requests: u32,
        metadata: Option<Bytes>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        let Some(leases) = &self.leases else { return Err(RequestError::LeaseNotAgreed) };
        let mut leases = *leases;
        let ttl_ms = u32::try_from(ttl.as_millis()).map_or(MAX, |ttl_ms| ttl_ms.min(MAX));
        let requests = requests.min(MAX);
        let frame = Frame::on_connection(Body::Lease { ttl_ms, requests, metadata });
        self.check_frame(&frame)?;
        self.check_room(&frame)?;
        leases.granted = Lease::new(now, Duration::from_millis(ttl_ms.into()), requests);
        self.leases = Some(leases);
        self.outbound.push_control(frame);
        Ok(())
    }

    /// How many requests the peer still takes under its lease; `None` where SETUP had no flag L, so that nothing is counted.
    ///
    /// Time counts from one [`handle_timeout`](crate::rsocket::Machine::handle_timeout) to the next.
    pub fn lease(&self) -> Option<u32> {
        self.leases.as_ref().map(|leases| leases.received.left())
    }

    pub(super) fn on_lease(
        &mut self,
        now: Instant,
        ttl_ms: u32,
        requests: u32,
        metadata: Option<Bytes>,
    ) {
        // Without flag L it has no meaning, and is ignored.
        let Some(leases) = &mut self.leases else { return };
        let ttl = Duration::from_millis(ttl_ms.into());
        leases.received = Lease::new(now, ttl, requests);
        self.push_event(Event::LeaseReceived { ttl, requests, metadata });
    }

    /// Whether a request of the peer's is within what we allow it; counts it.
    pub(super) fn takes_request(&mut self, now: Instant) -> bool {
        self.leases.as_mut().is_none_or(|leases| leases.take(now))
    }

    /// Whether a request of ours is within what the peer allows us.
    pub(super) fn check_lease(&self) -> Result<(), RequestError> {
        match &self.leases {
            Some(leases) if leases.received.left() == 0 => Err(RequestError::NoLease),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn count_request(&mut self) {
        if let Some(leases) = &mut self.leases {
            leases.received.left = leases.received.left.saturating_sub(1);
        }
    }
}

/// What 31 bits can say.
const MAX: u32 = 0x7fff_ffff;
