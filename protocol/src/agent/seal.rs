use super::Ticket;
use crate::Payload;
use crate::envelope::{self, AesKeySize, PeerKey, SealError};
use bytes::Bytes;

/// Metrics to be sealed: CPU-heavy, to be [run](Self::run) away from the event loop.
#[derive(Debug)]
pub struct SealJob {
    pub(super) ticket: Ticket,
    pub(super) key: PeerKey,
    pub(super) aes: AesKeySize,
    pub(super) text: Bytes,
}

impl SealJob {
    /// Whose metrics these are.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Does the work. `seed` must be secret and fresh: the AES key comes from it.
    pub fn run(self, seed: [u8; 32]) -> Sealed {
        let result = envelope::seal(&self.key, &self.text, self.aes, seed);
        Sealed { ticket: self.ticket, result }
    }
}

/// Metrics that were sealed, for [`Agent::handle_sealed`](super::Agent::handle_sealed).
#[derive(Debug)]
pub struct Sealed {
    pub(super) ticket: Ticket,
    pub(super) result: Result<Payload, SealError>,
}

impl Sealed {
    /// The result of a job that did not survive.
    pub fn lost(ticket: Ticket) -> Self {
        let result = Err(SealError::Wrap("the worker was lost".to_owned()));
        Self { ticket, result }
    }
}
