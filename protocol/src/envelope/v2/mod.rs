//! The metrics envelope, version 2: one content key for each connection, and AES-256-GCM.
//!
//! `docs/envelope-2.md` describes it byte for byte. In short:
//!
//! * The application declares in its [hello](crate::hello) that it can seal in version 2. The proxy then adds an [`Offer`] to
//!   each request that carries its key.
//! * The application makes a [`ContentKey`], wraps it under the proxy's RSA key, and attaches the wrapped key to what it seals
//!   until an offer says that the proxy knows it. So the proxy computes RSA once per connection, not per scrape.
//! * The sealed message is authenticated together with its [`Purpose`], a counter, and the offer's [`Binding`]. It cannot be
//!   changed, replayed, moved to another connection or request, or passed off as a push.
//!
//! This does not detect an impostor's key: for that, the application pins the [`Fingerprint`](super::Fingerprint) or uses TLS.

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

/// Identifies a content key: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub(crate) [u8; 16]);

/// What a message is bound to: one request, or the pushes of one connection. 16 bytes that no other party can predict.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Binding([u8; 16]);

/// Identifies a push: 16 random bytes, the same each time that it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey([u8; 16]);

/// The purpose of a sealed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The answer to a scrape.
    Scrape,
    /// A push.
    Push(IdempotencyKey),
}

impl Binding {
    /// Makes a binding of 16 bytes from a secure random generator.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }
}

impl IdempotencyKey {
    /// Makes an idempotency key of 16 bytes from a secure random generator.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// Hidden: harmless if known, but not for logs.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding")
    }
}

/// Hidden: only the proxy may know it.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey")
    }
}

/// The MIME type of an offer's entry.
pub const OFFER_MIME: &str = "application/x.prometheus-rsocket.offer.v2";
/// The MIME type of a seal's entry.
pub const SEAL_MIME: &str = "application/x.prometheus-rsocket.seal.v2";

/// The version byte of hello, offer and seal.
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

/// The nonce of AES-GCM, 12 bytes, for a message's counter.
fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    if let Some(low) = nonce.last_chunk_mut() {
        *low = counter.to_be_bytes();
    }
    nonce
}
