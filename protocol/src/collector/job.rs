use super::push::{Digest, PushId};
use super::request::RequestId;
use super::{Answer, ConnectionId, Injected};
use crate::Payload;
use crate::envelope::v2::{self, Expected, KnownKey};
use crate::envelope::{self, KeyUnwrap, OpenError, OpenLimits, Scratch, Unsealed};
use crate::exposition::{self, ExpositionError, Facts, Inject, Policy, Source, SourceFormat};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// CPU-heavy work on one application's metrics. Run it outside the event loop with [`run`](Self::run), and hand the result to
/// [`Collector::handle_job`](super::Collector::handle_job).
#[derive(Debug)]
pub struct Job {
    pub(super) purpose: Purpose,
    pub(super) payload: Payload,
    /// What the payload is bound to in version 2 of the envelope; `None` in version 1.
    pub(super) expected: Option<Expected>,
    /// The labels that the text is read with.
    pub(super) labels: Injected,
}

/// What a job's result is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A scrape's answer.
    Answer { connection: ConnectionId, request: RequestId },
    /// A push, on its way to being held.
    Push { push: PushId },
}

/// The result of a job.
#[derive(Debug)]
pub struct JobDone {
    pub(super) purpose: Purpose,
    pub(super) result: Result<Answer, JobError>,
    /// The content key and the counter that it was sealed with; `None` in version 1 of the envelope.
    pub(super) content: Option<(Arc<KnownKey>, u64)>,
    /// The digest and the series of a push.
    pub(super) sealed: Option<Sealed>,
    /// The first line of its text that is at fault, if one is.
    pub(super) faulty_line: Option<String>,
    /// Bytes that the job held.
    pub(super) held: usize,
}

/// What distinguishes a push from others.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Version 1: of the payload as sent. Version 2: of the idempotency key and the Snappy block.
    pub(super) digest: Digest,
    /// The fingerprints of its series, in ascending order, each once.
    pub(super) series: Arc<[u64]>,
    /// Whether only this application can have sent it, because the digest covers a fresh key.
    pub(super) is_unique: bool,
}

/// Why an application's metrics are not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// They cannot be decrypted or decompressed, or are over a limit.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Their text is invalid or over a limit.
    #[error(transparent)]
    Exposition(#[from] ExpositionError),
    /// The worker failed.
    #[error("a worker failed while opening the metrics")]
    Worker,
}

/// What jobs work with.
pub struct Tools<'a> {
    /// The private key.
    pub keys: &'a dyn KeyUnwrap,
    /// The limits of opening.
    pub open: &'a OpenLimits,
    /// What is accepted in a text.
    pub policy: &'a Arc<Policy>,
    /// Whether a text gets the labels that its application declares.
    pub inject: Inject,
    /// The secret of the series' fingerprints. It must be the same for all jobs of one proxy.
    pub seed: u64,
}

impl Sealed {
    pub(super) fn new(digest: Digest, is_unique: bool, facts: &Facts) -> Self {
        let mut series = facts.fingerprints.clone();
        series.sort_unstable();
        series.dedup();
        Self { digest, series: series.into(), is_unique }
    }
}

impl Job {
    /// Does the work, which takes a few milliseconds: unwraps the key, decrypts, expands, reads. `blinding` must be fresh
    /// randomness; it blinds the private key operation against timing attacks.
    pub fn run(mut self, tools: &Tools<'_>, scratch: &mut Scratch, blinding: [u8; 32]) -> JobDone {
        let JobTicket { purpose, held } = self.ticket();
        let is_push = matches!(purpose, Purpose::Push { .. });
        let (mut content, mut sealed, mut faulty_line) = (None, None, None);
        let unsealed = self.unseal(tools, is_push, blinding).map_err(JobError::from);
        let result = unsealed.and_then(|unsealed| {
            content = unsealed.content;
            let Opened { form, format, .. } = unsealed;
            let answer = read(form, format, self.labels, tools, scratch, &mut faulty_line)?;
            sealed = unsealed
                .digest
                .map(|(digest, is_unique)| Sealed::new(digest, is_unique, &answer.facts));
            Ok(answer)
        });
        scratch.trim();
        JobDone { purpose, result, content, sealed, faulty_line, held }
    }

    /// Decrypts the payload, but does not decompress it.
    fn unseal(
        &mut self,
        tools: &Tools<'_>,
        is_push: bool,
        seed: [u8; 32],
    ) -> Result<Opened, OpenError> {
        let payload = std::mem::take(&mut self.payload);
        let Some(expected) = &self.expected else {
            let is_unique = payload.metadata.as_deref() != Some(envelope::PLAINTEXT);
            let digest = is_push.then(|| (digest(&payload), is_unique));
            let form = envelope::unseal(tools.keys, payload, tools.open, seed)?;
            return Ok(Opened { form, format: None, digest, content: None });
        };
        let v2::Opened { block, format, purpose, counter, key, .. } =
            v2::open(tools.keys, payload, expected, seed)?;
        let digest = match purpose {
            v2::Purpose::Scrape => None,
            v2::Purpose::Push(key) => Some((digest_of_push(&key, &block), true)),
        };
        let content = Some((key, counter));
        Ok(Opened { form: Unsealed::Block(block), format: Some(format), digest, content })
    }

    /// Returns a ticket for the job, in case [`run`](Self::run) never returns.
    pub fn ticket(&self) -> JobTicket {
        JobTicket { purpose: self.purpose, held: self.held() }
    }

    /// An upper bound for the length of the text in bytes, which is allocated while the job runs: the most that Snappy can
    /// expand the payload to, within the limit.
    pub fn text_estimate(&self, limits: &OpenLimits) -> usize {
        self.payload.data.len().saturating_mul(MAX_EXPANSION).min(limits.max_text_len)
    }

    /// Bytes that wait with this job.
    pub(super) fn held(&self) -> usize {
        self.payload.encoded_len()
    }
}

/// Stands for a job that is being run.
#[derive(Clone, Copy, Debug)]
pub struct JobTicket {
    purpose: Purpose,
    held: usize,
}

impl JobTicket {
    /// Returns the result of a job whose worker was lost.
    pub fn lost(self) -> JobDone {
        let result = Err(JobError::Worker);
        let Self { purpose, held } = self;
        JobDone { purpose, result, content: None, sealed: None, faulty_line: None, held }
    }
}

/// Snappy's densest element is a copy of 64 bytes that takes three bytes.
const MAX_EXPANSION: usize = 22;

fn digest(payload: &Payload) -> Digest {
    let metadata = payload.metadata.as_deref();
    let mut hash = Sha256::new();
    // The boundary between metadata and data is part of the digest.
    hash.update([u8::from(metadata.is_some())]);
    hash.update((metadata.map_or(0, <[u8]>::len) as u64).to_be_bytes());
    hash.update(metadata.unwrap_or_default());
    hash.update(&payload.data);
    hash.finalize().into()
}

/// The same for each sealing of one push. No other application knows its idempotency key.
fn digest_of_push(key: &v2::IdempotencyKey, block: &[u8]) -> Digest {
    Sha256::new().chain_update(key.as_bytes()).chain_update(block).finalize().into()
}

/// A decrypted payload.
struct Opened {
    form: Unsealed,
    /// The format of the text, if the application declares it.
    format: Option<SourceFormat>,
    /// The digest of a push, and whether only this application can have sent it.
    digest: Option<(Digest, bool)>,
    content: Option<(Arc<KnownKey>, u64)>,
}

/// Reads a decrypted payload. Keeps the application's own Snappy block; only plaintext is compressed here.
fn read(
    form: Unsealed,
    format: Option<SourceFormat>,
    injected: Injected,
    tools: &Tools<'_>,
    scratch: &mut Scratch,
    faulty_line: &mut Option<String>,
) -> Result<Answer, JobError> {
    let inject = injected.inject(tools.inject);
    let mut read = |text: &[u8]| {
        let format = format.unwrap_or_else(|| exposition::source_format(text));
        let source = Source { text, identity: &injected.labels, inject, seed: tools.seed };
        let read = exposition::read_as(format, &source, tools.policy);
        let fault = match &read {
            Ok(facts) => facts.reduced.as_ref().map(|reduced| &reduced.first),
            Err(fault) => Some(fault),
        };
        *faulty_line = fault.and_then(|fault| fault.excerpt(text));
        read.map(|facts| (text.len(), facts))
    };
    let (block, (text_len, facts)) = match form {
        Unsealed::Text(text) => {
            let found = read(&text)?;
            (scratch.compress(&text), found)
        }
        Unsealed::Block(block) => {
            let found = read(scratch.expand(&block, tools.open.max_text_len)?)?;
            (block, found)
        }
    };
    let (facts, policy) = (Arc::new(facts), Arc::clone(tools.policy));
    Ok(Answer { block, text_len, facts, injected, inject, policy, is_push: false })
}
