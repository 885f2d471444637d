use super::Ticket;
use crate::Payload;
use crate::envelope::v2::{self, Binding, ContentKey, IdempotencyKey, KeyId, Message, Purpose};
use crate::envelope::{self, AesKeySize, PeerKey, SealError};
use crate::exposition::{self, SourceFormat};
use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seals metrics. CPU-heavy: [run](Self::run) it outside the event loop.
#[derive(Debug)]
pub struct SealJob {
    pub(super) ticket: Ticket,
    pub(super) key: Arc<PeerKey>,
    pub(super) version: Version,
    pub(super) text: Bytes,
}

/// How to seal.
#[derive(Debug)]
pub(super) enum Version {
    V1 { aes: AesKeySize },
    V2(Sealing),
}

/// How to seal in version 2.
#[derive(Debug)]
pub(super) struct Sealing {
    pub(super) content: Content,
    pub(super) binding: Binding,
    /// `None` for an answer; for a push, its idempotency key if it already has one.
    pub(super) push: Option<Option<IdempotencyKey>>,
}

/// The content key to seal under.
#[derive(Debug)]
pub(super) enum Content {
    /// A key that is yet to be made.
    New,
    Made {
        key: Arc<ContentKey>,
        counter: u64,
        attach: bool,
    },
}

impl SealJob {
    /// Identifies the metrics.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Does the work. `seed` must be secret and fresh: keys are derived from it.
    pub fn run(self, seed: [u8; 32]) -> Sealed {
        match self.version {
            Version::V1 { aes } => {
                // The original proxy passes a text on as 0.0.4. A text that claims to be OpenMetrics but is not stays as it is:
                // the proxy judges it.
                let converted = match exposition::source_format(&self.text) {
                    SourceFormat::Text004 => None,
                    SourceFormat::OpenMetrics => exposition::to_text004(&self.text).ok(),
                };
                let text = converted.as_deref().unwrap_or(&self.text);
                let result = envelope::seal(&self.key, text, aes, seed);
                Sealed { ticket: self.ticket, result, content: None, idempotency: None }
            }
            Version::V2(sealing) => sealing.run(self.ticket, &self.key, &self.text, seed),
        }
    }
}

impl Sealing {
    fn run(self, ticket: Ticket, proxy: &PeerKey, text: &[u8], seed: [u8; 32]) -> Sealed {
        let mut random = ChaCha20Rng::from_seed(seed);
        let (mut content_seed, mut drawn) = ([0; 32], [0; 16]);
        random.fill_bytes(&mut content_seed);
        random.fill_bytes(&mut drawn);
        let idempotency = self.push.map(|key| key.unwrap_or_else(|| IdempotencyKey::new(drawn)));
        let mut made = None;
        let result = match self.content {
            Content::Made { key, counter, attach } => Ok((key, counter, attach)),
            Content::New => ContentKey::generate(proxy, content_seed).map(|key| {
                let key = Arc::new(key);
                made = Some(Arc::clone(&key));
                (key, 0, true)
            }),
        };
        let result = result.and_then(|(key, counter, attach_key)| {
            let purpose = idempotency.map_or(Purpose::Scrape, Purpose::Push);
            let binding = self.binding;
            v2::seal(&key, &Message { text, purpose, binding, counter, attach_key })
        });
        Sealed { ticket, result, content: made, idempotency }
    }
}

/// Sealed metrics, for [`Agent::handle_sealed`](super::Agent::handle_sealed).
#[derive(Debug)]
pub struct Sealed {
    pub(super) ticket: Ticket,
    pub(super) result: Result<Payload, SealError>,
    /// The content key that was made for them, if one was.
    pub(super) content: Option<Arc<ContentKey>>,
    /// The idempotency key of a push in version 2.
    pub(super) idempotency: Option<IdempotencyKey>,
}

impl Sealed {
    /// The result of a job whose worker was lost.
    pub fn lost(ticket: Ticket) -> Self {
        let result = Err(SealError::Wrap("the worker was lost".to_owned()));
        Self { ticket, result, content: None, idempotency: None }
    }
}

/// The content keys that a connection seals with in version 2.
#[derive(Debug, Default)]
pub(super) struct Seals {
    /// The binding of pushes, once the proxy has offered version 2.
    pub(super) pushes: Option<Binding>,
    latest: Option<Latest>,
}

#[derive(Debug)]
struct Latest {
    key: Arc<ContentKey>,
    made: Instant,
    next_counter: u64,
    /// Whether the proxy's last offer named it.
    is_known: bool,
}

impl Seals {
    /// An offer names the content key that the proxy knows.
    pub(super) fn on_offer(&mut self, known: Option<KeyId>) {
        if let Some(latest) = &mut self.latest {
            latest.is_known = known == Some(latest.key.id());
        }
    }

    /// Returns the content key and counter for the next message.
    pub(super) fn take(&mut self, now: Instant, proxy: &PeerKey) -> Content {
        let is_usable = |latest: &&mut Latest| {
            proxy.fingerprint() == Some(latest.key.under())
                && latest.next_counter < ContentKey::MAX_MESSAGES
                && now.saturating_duration_since(latest.made) < MAX_AGE
        };
        let Some(latest) = self.latest.as_mut().filter(is_usable) else { return Content::New };
        let counter = latest.next_counter;
        latest.next_counter += 1;
        Content::Made { key: Arc::clone(&latest.key), counter, attach: !latest.is_known }
    }

    /// A content key was made and used once.
    pub(super) fn on_made(&mut self, now: Instant, key: Arc<ContentKey>) {
        self.latest = Some(Latest { key, made: now, next_counter: 1, is_known: false });
    }
}

/// The lifetime of a content key.
const MAX_AGE: Duration = Duration::from_secs(12 * 3600);
