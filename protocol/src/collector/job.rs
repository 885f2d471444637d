use super::push::PushId;
use super::{AppId, RoundId};
use crate::Payload;
use crate::envelope::{self, KeyUnwrap, OpenError, OpenLimits};
use crate::exposition::{self, Escaping, ExpositionError, Format, Inject, Policy, Source};
use crate::labels::Labels;
use crate::rsocket::frame::StreamId;
use bytes::Bytes;

/// In which form a round's text is kept until it is sent: never as the text itself, which is some ten times as large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Snappy block, to be expanded when it is sent.
    Snappy,
    /// What [`Tools::deflate`] made of it, sent as it is.
    Deflate,
}

/// One application's metrics, checked, in the form that the round asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// Whose they are.
    pub app: AppId,
    /// The form of `bytes`.
    pub form: Form,
    /// The compressed text.
    pub bytes: Bytes,
    /// CRC-32 of the text, where the form is [`Form::Deflate`].
    pub crc32: u32,
    /// Bytes of the text.
    pub text_len: usize,
}

/// CPU-heavy work on one application's metrics. Run it away from the event loop with [`run`](Self::run), and hand the result
/// to [`Collector::handle_job`](super::Collector::handle_job).
#[derive(Debug)]
pub struct Job {
    pub(super) app: AppId,
    pub(super) task: Task,
}

#[derive(Debug)]
pub(super) enum Task {
    /// A scrape's answer.
    Answer { round: RoundId, payload: Payload, form: Form },
    /// A push, on its way to being held.
    Push { stream_id: Option<StreamId>, payload: Payload },
    /// A held push, opened and checked before, on its way into a round.
    Held { round: RoundId, push: PushId, block: Bytes, form: Form },
}

/// What a job brought.
#[derive(Debug)]
pub struct JobDone {
    pub(super) app: AppId,
    pub(super) done: Done,
    /// Bytes that the job held.
    pub(super) held: usize,
}

#[derive(Debug)]
pub(super) enum Done {
    /// `push` if it is a held push's.
    Section {
        round: RoundId,
        push: Option<PushId>,
        result: Result<Section, JobError>,
    },
    Push {
        stream_id: Option<StreamId>,
        result: Result<Bytes, JobError>,
    },
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
    /// Limits of the text.
    pub text: &'a exposition::Limits,
    /// Compresses a text for [`Form::Deflate`]: the bytes, and the CRC-32 of the text.
    pub deflate: &'a dyn Fn(&[u8]) -> (Bytes, u32),
}

impl Job {
    /// Does the work, a few milliseconds of it. `seed` must be fresh randomness; it blinds the private key operation against timing.
    pub fn run(self, tools: &Tools<'_>, seed: [u8; 32]) -> JobDone {
        let (app, held) = (self.app, self.held());
        let done = match self.task {
            Task::Answer { round, payload, form } => {
                let result = open(&payload, tools, seed).map(|text| pack(app, text, form, tools));
                Done::Section { round, push: None, result }
            }
            Task::Push { stream_id, payload } => {
                let result = open(&payload, tools, seed).map(|text| envelope::compress(&text));
                Done::Push { stream_id, result }
            }
            Task::Held { round, push, block, form } => {
                let result = envelope::expand(&block, tools.open.max_text_len)
                    .map(|text| pack(app, text, form, tools))
                    .map_err(JobError::from);
                Done::Section { round, push: Some(push), result }
            }
        };
        JobDone { app, done, held }
    }

    /// What identifies the job, should [`run`](Self::run) never return.
    pub fn ticket(&self) -> JobTicket {
        let target = match &self.task {
            Task::Answer { round, .. } | Task::Held { round, .. } => Target::Round(*round),
            Task::Push { stream_id, .. } => Target::Push(*stream_id),
        };
        JobTicket { app: self.app, target, held: self.held() }
    }

    /// Bytes that wait with this job.
    pub(super) fn held(&self) -> usize {
        match &self.task {
            Task::Answer { payload, .. } | Task::Push { payload, .. } => payload.encoded_len(),
            // A held push is counted where it is held.
            Task::Held { .. } => 0,
        }
    }
}

/// Stands for a job that is being run.
#[derive(Clone, Copy, Debug)]
pub struct JobTicket {
    app: AppId,
    target: Target,
    held: usize,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Round(RoundId),
    Push(Option<StreamId>),
}

impl JobTicket {
    /// The result of a job whose worker did not survive it.
    pub fn lost(self) -> JobDone {
        let done = match self.target {
            Target::Round(round) => {
                Done::Section { round, push: None, result: Err(JobError::Worker) }
            }
            Target::Push(stream_id) => Done::Push { stream_id, result: Err(JobError::Worker) },
        };
        JobDone { app: self.app, done, held: self.held }
    }
}

/// Opens and checks sealed metrics: the text as it is to be served.
fn open(payload: &Payload, tools: &Tools<'_>, seed: [u8; 32]) -> Result<Bytes, JobError> {
    let opened = envelope::open(tools.keys, payload, tools.open, seed)?;
    let identity = Labels::default();
    let source = Source { text: &opened.text, identity: &identity, inject: Inject::Never, seed: 0 };
    let policy = Policy { limits: *tools.text, ..Policy::default() };
    let facts = exposition::read(&source, &policy)?;
    let target = exposition::Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    if facts.is_verbatim_for(target, &[]) && opened.text.last().is_none_or(|&last| last == b'\n') {
        return Ok(opened.text);
    }
    let mut text = Vec::new();
    exposition::render(&source, &policy, &facts, target, &[], &mut text);
    Ok(Bytes::from(text))
}

fn pack(app: AppId, text: Bytes, form: Form, tools: &Tools<'_>) -> Section {
    let (bytes, crc32) = match form {
        Form::Snappy => (envelope::compress(&text), 0),
        Form::Deflate => (tools.deflate)(&text),
    };
    Section { app, form, bytes, crc32, text_len: text.len() }
}
