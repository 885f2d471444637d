//! The metrics envelope, version 2: one content key for each connection, and AES-256-GCM.
//!
//! It is described byte for byte in `docs/envelope-2.md`. In short:
//!
//! * The application says in its [hello](crate::hello) that it can seal in version 2. The proxy then marks each request that carries its key by
//!   an [`Offer`].
//! * The application makes a [`ContentKey`], wraps it under the proxy's RSA key, and attaches the wrap to what it seals until an offer says that the
//!   proxy knows it. So the proxy computes RSA once for each connection, not for each scrape.
//! * What is sealed is authenticated together with its [`Purpose`], a counter, and the offer's [`Binding`]. It cannot be changed, replayed, moved to
//!   another connection or request, or passed off as a push.
//!
//! A key that comes from an impostor is not told from the proxy's by this: for that, the application pins the [`Fingerprint`](super::Fingerprint),
//! or uses TLS.

mod offer;
mod open;
mod seal;
#[cfg(test)]
mod tests;
mod window;

pub use offer::Offer;
pub use open::{Expected, KnownKey, Opened, open};
pub use seal::{ContentKey, Message, seal};
pub(crate) use window::Window;

use crate::exposition::SourceFormat;
use std::fmt;

/// The number of a content key: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub(crate) [u8; 16]);

/// What a seal is bound to: the challenge of one request, or the number of a connection. 16 bytes that nobody else can foresee.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Binding([u8; 16]);

/// What tells a push from all others: 16 random bytes, the same however often it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey([u8; 16]);

/// What something is sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To answer a scrape.
    Scrape,
    /// To be pushed.
    Push(IdempotencyKey),
}

impl Binding {
    /// Takes 16 bytes of a secure random generator.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }
}

impl IdempotencyKey {
    /// Takes 16 bytes of a secure random generator.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// Who knows it could not do harm, but a log is no place for it.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding")
    }
}

/// Only the proxy is to know it.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey")
    }
}

/// The MIME type of an offer's entry.
pub const OFFER_MIME: &str = "application/x.prometheus-rsocket.offer.v2";
/// The MIME type of a seal's entry.
pub const SEAL_MIME: &str = "application/x.prometheus-rsocket.seal.v2";

/// As a hello, an offer and a seal have it.
const VERSION: u8 = 2;

// The fields of an offer.
const OFFER_VERSION: u8 = 1;
const OFFER_BINDING: u8 = 2;
const OFFER_KNOWN: u8 = 3;

// The fields of a seal.
const SEAL_VERSION: u8 = 1;
const SEAL_PURPOSE: u8 = 2;
const SEAL_KEY_ID: u8 = 3;
const SEAL_COUNTER: u8 = 4;
const SEAL_FORMAT: u8 = 5;
const SEAL_WRAPPED: u8 = 6;

const PURPOSE_SCRAPE: u8 = 0;
const PURPOSE_PUSH: u8 = 1;

fn format_byte(format: SourceFormat) -> u8 {
    match format {
        SourceFormat::Text004 => 0,
        SourceFormat::OpenMetrics => 1,
    }
}

/// The nonce of AES-GCM (12 bytes) for a message's counter.
fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    if let Some(low) = nonce.last_chunk_mut() {
        *low = counter.to_be_bytes();
    }
    nonce
}
