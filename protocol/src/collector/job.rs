use super::push::{Digest, PushId};
use super::request::RequestId;
use super::{Answer, ConnectionId};
use crate::envelope::{self, KeyUnwrap, OpenError, OpenLimits, Scratch, Unsealed};
use crate::exposition::{self, ExpositionError, Facts, Inject, Policy, Source};
use crate::{Labels, Payload};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// CPU-heavy work on one application's metrics. Run it away from the event loop with [`run`](Self::run), and hand the result
/// to [`Collector::handle_job`](super::Collector::handle_job).
#[derive(Debug)]
pub struct Job {
    pub(super) purpose: Purpose,
    pub(super) payload: Payload,
    /// What the application said of itself, for its text to be read with.
    pub(super) labels: Labels,
}

/// What a job's result is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A scrape's answer.
    Answer { connection: ConnectionId, request: RequestId },
    /// A push, on its way to being held.
    Push { push: PushId },
}

/// What a job brought.
#[derive(Debug)]
pub struct JobDone {
    pub(super) purpose: Purpose,
    pub(super) result: Result<Answer, JobError>,
    /// What else is known of a push.
    pub(super) sealed: Option<Sealed>,
    /// Bytes that the job held.
    pub(super) held: usize,
}

/// What tells a push from others.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Of the bytes as they were sent.
    pub(super) digest: Digest,
    /// The fingerprints of its series, in ascending order, each once.
    pub(super) series: Arc<[u64]>,
    /// Whether nobody else can have sent the same bytes: a fresh key is in them.
    pub(super) is_unique: bool,
}

/// Why an application's metrics are not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// They cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// They are not what Prometheus can read.
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
    /// Limits of opening.
    pub open: &'a OpenLimits,
    /// What is accepted of a text.
    pub policy: &'a Policy,
    /// Whether a text gets the labels that its application said.
    pub inject: Inject,
    /// The secret of the series' fingerprints, the same for all jobs of one proxy.
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
    /// Does the work, a few milliseconds of it: unwraps the key, decrypts, expands, reads. `blinding` must be fresh
    /// randomness; it blinds the private key operation against timing.
    pub fn run(self, tools: &Tools<'_>, scratch: &mut Scratch, blinding: [u8; 32]) -> JobDone {
        let ticket = self.ticket();
        let is_push = matches!(self.purpose, Purpose::Push { .. });
        let digest = is_push.then(|| digest(&self.payload));
        let is_unique = self.payload.metadata.as_deref() != Some(envelope::PLAINTEXT);
        let result = open(self.payload, self.labels, tools, scratch, blinding);
        scratch.trim();
        let answer = result.as_ref().ok();
        let sealed = digest
            .zip(answer)
            .map(|(digest, answer)| Sealed::new(digest, is_unique, &answer.facts));
        JobDone { purpose: ticket.purpose, result, sealed, held: ticket.held }
    }

    /// Returns what stands for the job, should [`run`](Self::run) never return.
    pub fn ticket(&self) -> JobTicket {
        JobTicket { purpose: self.purpose, held: self.held() }
    }

    /// About how many bytes the text may have at most, which are allocated while the job is run: what Snappy can make of the payload, within
    /// the limit.
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
    /// Returns the result of a job whose worker did not survive it.
    pub fn lost(self) -> JobDone {
        let (result, sealed) = (Err(JobError::Worker), None);
        JobDone { purpose: self.purpose, result, sealed, held: self.held }
    }
}

/// Snappy's densest element is a copy of 64 bytes that takes three.
const MAX_EXPANSION: usize = 22;

fn digest(payload: &Payload) -> Digest {
    let metadata = payload.metadata.as_deref();
    let mut hash = Sha256::new();
    // Where one ends and the other begins is part of it.
    hash.update([u8::from(metadata.is_some())]);
    hash.update((metadata.map_or(0, <[u8]>::len) as u64).to_be_bytes());
    hash.update(metadata.unwrap_or_default());
    hash.update(&payload.data);
    hash.finalize().into()
}

/// Opens and reads sealed metrics. The application's own Snappy block is kept; only plaintext is compressed here.
fn open(
    payload: Payload,
    labels: Labels,
    tools: &Tools<'_>,
    scratch: &mut Scratch,
    blinding: [u8; 32],
) -> Result<Answer, JobError> {
    let read = |text: &[u8]| {
        let source = Source { text, identity: &labels, inject: tools.inject, seed: tools.seed };
        exposition::read(&source, tools.policy).map(|facts| (text.len(), facts))
    };
    let (block, (text_len, facts)) =
        match envelope::unseal(tools.keys, payload, tools.open, blinding)? {
            Unsealed::Text(text) => {
                let found = read(&text)?;
                (scratch.compress(&text), found)
            }
            Unsealed::Block(block) => {
                let found = read(scratch.expand(&block, tools.open.max_text_len)?)?;
                (block, found)
            }
        };
    Ok(Answer { block, text_len, facts: Arc::new(facts), injected: labels, is_push: false })
}
