//! The state of one stream, on one side.

use super::table::{Ends, Interaction, Needs, Party, Signal, rule};
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Violation;
use prometheus_rsocket_protocol::rsocket::frame::Body;

#[derive(Debug)]
pub(super) struct Life {
    pub(super) is_mine: bool,
    /// `None` until the request that opens it is complete.
    pub(super) interaction: Option<Interaction>,
    /// What each party may still send; `None` once its half is over.
    requester: Option<u32>,
    responder: Option<u32>,
    pub(super) assembly: Option<Assembly>,
}

/// A payload of the peer's that is not complete.
#[derive(Debug)]
pub(super) struct Assembly {
    /// The request that it belongs to, without its payload.
    pub(super) request: Option<Body>,
    pub(super) payload: Payload,
    pub(super) cost: usize,
}

/// Why a command has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoCredit,
    NoRoom,
    NotOpen,
}

impl Life {
    /// Returns the stream that a request opens; `None` for fire-and-forget.
    pub(super) fn new(request: &Body, is_mine: bool) -> Option<Self> {
        let (interaction, requester, responder) = match request {
            Body::RequestResponse { .. } => (Interaction::Response, None, 1),
            Body::RequestStream { initial_n, .. } => (Interaction::Stream, None, *initial_n),
            Body::RequestChannel { complete, initial_n, .. } => {
                (Interaction::Channel, (!complete).then_some(0), *initial_n)
            }
            _ => return None,
        };
        let interaction = Some(interaction);
        Some(Self { is_mine, interaction, requester, responder: Some(responder), assembly: None })
    }

    /// Returns a stream of the peer's whose request is not complete.
    pub(super) fn opening(request: Body) -> Self {
        let assembly = Some(Assembly::new(Some(request)));
        Self { is_mine: false, interaction: None, requester: None, responder: None, assembly }
    }

    pub(super) fn me(&self) -> Party {
        if self.is_mine { Party::Requester } else { Party::Responder }
    }

    pub(super) fn is_over(&self) -> bool {
        self.requester.is_none() && self.responder.is_none()
    }

    /// Returns what a party may still send; `None` if its half is over.
    pub(super) fn half(&self, party: Party) -> Option<u32> {
        match party {
            Party::Requester => self.requester,
            Party::Responder => self.responder,
        }
    }

    fn half_mut(&mut self, party: Party) -> &mut Option<u32> {
        match party {
            Party::Requester => &mut self.requester,
            Party::Responder => &mut self.responder,
        }
    }

    /// Returns what a signal of a party's ends, or why the party must not send it now.
    pub(super) fn permits(&self, party: Party, signal: Signal) -> Result<Ends, Refusal> {
        let interaction = self.interaction.ok_or(Refusal::NotOpen)?;
        let (needs, ends) = rule(interaction, party, signal).ok_or(Refusal::NotOpen)?;
        match needs {
            Needs::Nothing => {}
            Needs::OwnHalf => _ = self.half(party).ok_or(Refusal::NotOpen)?,
            Needs::OtherHalf => _ = self.half(party.other()).ok_or(Refusal::NotOpen)?,
            Needs::Credit if self.half(party).ok_or(Refusal::NotOpen)? == 0 => {
                return Err(Refusal::NoCredit);
            }
            Needs::Credit => {}
        }
        Ok(ends)
    }

    pub(super) fn end(&mut self, party: Party, ends: Ends) {
        if matches!(ends, Ends::Own | Ends::Both) {
            *self.half_mut(party) = None;
        }
        if matches!(ends, Ends::Other | Ends::Both) {
            *self.half_mut(party.other()) = None;
        }
    }

    /// Grants a party credit. "Credits are cumulative", up to 31 bits.
    pub(super) fn grant(&mut self, party: Party, credit: u32) {
        if let Some(half) = self.half_mut(party) {
            *half = half.saturating_add(credit).min(UNBOUNDED);
        }
    }

    /// A party begins to send a payload.
    pub(super) fn spend(&mut self, party: Party) {
        if let Some(half) = self.half_mut(party) {
            *half -= u32::from(*half != UNBOUNDED);
        }
    }
}

impl Assembly {
    pub(super) fn new(request: Option<Body>) -> Self {
        Self { request, payload: Payload::default(), cost: 0 }
    }

    /// Adds a fragment. `each` is the limit of one payload, and `all` is what is left of the limit of all payloads together.
    pub(super) fn add(&mut self, next: &Payload, each: usize, all: usize) -> Result<(), Violation> {
        // As `Config` says: each fragment counts as at least 64.
        let cost = next.encoded_len().max(64);
        if self.cost + cost > each {
            return Err(Violation::PayloadTooLong { limit: each });
        }
        if cost > all {
            return Err(Violation::TooMuchUnfinished);
        }
        self.cost += cost;
        self.payload = joined(&self.payload, next);
        Ok(())
    }
}

/// Joins two parts of a payload.
pub(super) fn joined(first: &Payload, next: &Payload) -> Payload {
    let join = |first: &Bytes, next: &Bytes| Bytes::from([&first[..], &next[..]].concat());
    let metadata = match (&first.metadata, &next.metadata) {
        (Some(first), Some(next)) => Some(join(first, next)),
        (first, next) => first.clone().or_else(|| next.clone()),
    };
    Payload { metadata, data: join(&first.data, &next.data) }
}

/// As `Credit` says: it is never used up.
const UNBOUNDED: u32 = 0x7fff_ffff;
