//! Leases: how many requests each side may send, and until when (Protocol.md, "Lease Semantics").

use super::Connection;
use super::error::RequestError;
use super::event::Event;
use crate::rsocket::frame::{Body, Frame};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// The leases of both directions of a connection whose SETUP had flag L.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leases {
    /// The lease that we granted.
    pub(super) granted: Lease,
    /// Requests left of it when earlier transports were lost. Requests that were lost with a transport are sent again.
    carried: u32,
    /// The lease that the peer granted.
    pub(super) received: Lease,
}

/// What is left of the last LEASE frame, which replaces all earlier ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    left: u32,
    /// When the lease expires; `None` if that overflows `Instant`. It matters only while requests are left.
    until: Option<Instant>,
}

impl Leases {
    /// The transport is lost, and with it the lease that the peer granted (Protocol.md, "Resume Operation").
    pub(super) fn suspend(&mut self) {
        self.received = Lease::default();
    }

    /// There is a new transport, on which no lease is granted yet. Requests that were within the old lease are sent again.
    /// Which requests these are is unknown, but their largest possible number is known.
    pub(super) fn resume(&mut self) {
        let carried = self.carried.saturating_add(self.granted.left);
        *self = Self { carried, ..Self::default() };
    }

    /// Whether a request of the peer's is within the lease that we granted. Counts the request.
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

    /// Uses up one request, unless the lease has expired; returns false if none was left.
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

    /// When the requests that are left expire; `None` if none are left.
    pub(super) fn expiry(&self) -> Option<Instant> {
        self.until.filter(|_| self.left > 0)
    }
}

impl Connection {
    /// Sends LEASE, which replaces the previous lease: the peer may send this many requests, of any kind, within `ttl` from
    /// now. If either is 0 it may send none. Further requests are answered by ERROR REJECTED.
    ///
    /// `ttl` is sent in whole milliseconds. Both numbers have 31 bits, and larger ones are reduced to the largest.
    ///
    /// # Errors
    ///
    /// SETUP had no flag L; the connection is not set up, suspended, closed or closing; the metadata does not fit a frame; or
    /// too much output is queued.
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

    /// How many requests the peer's lease still allows. `None` if SETUP had no flag L, so that requests are not limited.
    ///
    /// An expired lease counts as 0 only after the next [`handle_timeout`](crate::rsocket::Machine::handle_timeout).
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
        // Without flag L, LEASE has no meaning and is ignored.
        let Some(leases) = &mut self.leases else { return };
        let ttl = Duration::from_millis(ttl_ms.into());
        leases.received = Lease::new(now, ttl, requests);
        self.push_event(Event::LeaseReceived { ttl, requests, metadata });
    }

    /// Whether a request of the peer's is within the lease that we granted. Counts the request.
    pub(super) fn takes_request(&mut self, now: Instant) -> bool {
        self.leases.as_mut().is_none_or(|leases| leases.take(now))
    }

    /// Whether a request of ours is within the lease that the peer granted.
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

/// The largest number of 31 bits.
const MAX: u32 = 0x7fff_ffff;
