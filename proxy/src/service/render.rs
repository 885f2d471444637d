//! Rendering applications' answers into bytes of the HTTP body, away from the event loop.

use crate::gzip::{self, Member, Part};
use crate::service::workers::WorkerContext;
use bytes::Bytes;
use prometheus_rsocket_protocol::collector::{Answer, AppId};
use prometheus_rsocket_protocol::envelope::{OpenError, Scratch};
use prometheus_rsocket_protocol::exposition::group::{self, Plan, Prepared, Split};
use prometheus_rsocket_protocol::exposition::{self, Source, Target};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Renders answers for one scraper.
#[derive(Clone)]
pub(crate) struct Renderer {
    pub(crate) context: Arc<WorkerContext>,
    pub(crate) target: Target,
    pub(crate) gzip: bool,
}

/// A piece of the body, as it is sent.
#[derive(Debug)]
pub(crate) enum Piece {
    Deflated(Part),
    Plain(Bytes),
}

/// An application's answer on its way into the body.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) app: AppId,
    pub(crate) answer: Answer,
    /// Indexes of samples that are left out.
    pub(crate) omit: Arc<[u32]>,
}

impl Served {
    /// Returns how many samples are in the body.
    pub(crate) fn samples(&self) -> usize {
        self.answer.facts.samples.saturating_sub(self.omit.len())
    }
}

impl Renderer {
    /// Renders the applications' texts, one after the other, as one piece. Also returns those that could not be rendered, which are not in it.
    pub(crate) fn texts(&self, batch: &[Served]) -> (Piece, Vec<AppId>) {
        let mut broken = Vec::new();
        let mut out = Vec::with_capacity(batch.iter().map(|served| served.answer.text_len).sum());
        for served in batch {
            let start = out.len();
            // Whatever one text does to its worker, the others are served.
            let rendered = catch_unwind(AssertUnwindSafe(|| self.render(served, &mut out)));
            if !matches!(rendered, Ok(Ok(()))) {
                tracing::error!(app = %served.app, "a text that was read before cannot be rendered");
                out.truncate(start);
                broken.push(served.app);
            }
        }
        (self.pack(out.into()), broken)
    }

    /// Renders one application's text. It is deflated even for a scraper that does not accept gzip, so that it takes less memory until that scraper
    /// has read it.
    pub(crate) fn deflated(&self, served: &Served) -> Result<Part, OpenError> {
        let mut out = Vec::with_capacity(served.answer.text_len);
        self.render(served, &mut out).map(|()| self.deflate(&out))
    }

    /// Appends the application's text.
    fn render(&self, served: &Served, out: &mut Vec<u8>) -> Result<(), OpenError> {
        let facts = &served.answer.facts;
        self.with_text(&served.answer, |text| {
            if facts.is_verbatim_for(self.target, &served.omit) && text.ends_with(b"\n") {
                out.extend_from_slice(text);
            } else {
                let (source, policy) = (self.source(&served.answer, text), &served.answer.policy);
                exposition::render(&source, policy, facts, self.target, &served.omit, out);
            }
        })
    }

    /// Prepares the application's part of a grouped body, as far as it does not depend on other applications.
    pub(crate) fn prepare(&self, served: &Served) -> Result<Prepared, OpenError> {
        self.with_text(&served.answer, |text| {
            let (source, policy) = (self.source(&served.answer, text), &served.answer.policy);
            let facts = &served.answer.facts;
            group::prepare(&source, policy, facts, self.target, &served.omit)
        })
    }

    /// Renders the application's part of a grouped body where it depends on other applications.
    pub(crate) fn split(&self, served: &Served, plan: &Plan) -> Result<Split, OpenError> {
        self.with_text(&served.answer, |text| {
            let (source, policy) = (self.source(&served.answer, text), &served.answer.policy);
            let facts = &served.answer.facts;
            group::split(&source, policy, facts, self.target, &served.omit, plan)
        })
    }

    /// Deflates a text, if the scraper accepts gzip.
    pub(crate) fn pack(&self, text: Bytes) -> Piece {
        if self.gzip { Piece::Deflated(self.deflate(&text)) } else { Piece::Plain(text) }
    }

    fn deflate(&self, text: &[u8]) -> Part {
        gzip::deflate_part(text, self.context.rules.get().gzip_level)
    }

    fn with_text<T>(&self, answer: &Answer, act: impl FnOnce(&[u8]) -> T) -> Result<T, OpenError> {
        SCRATCH.with_borrow_mut(|scratch| {
            let done = scratch.expand(&answer.block, answer.text_len).map(act);
            scratch.trim();
            done
        })
    }

    fn source<'a>(&self, answer: &'a Answer, text: &'a [u8]) -> Source<'a> {
        let (identity, inject) = (&answer.injected.labels, answer.inject);
        Source { text, identity, inject, seed: self.context.seed }
    }
}

thread_local! {
    /// The buffer in which texts are expanded.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The body as a sequence of bytes: plain, or one gzip member.
pub(crate) struct Body {
    member: Option<Member>,
}

impl Body {
    pub(crate) fn new(gzip: bool) -> Self {
        Self { member: gzip.then(Member::new) }
    }

    /// Returns the bytes that come first, if any.
    pub(crate) fn head(&self) -> Bytes {
        self.member.as_ref().map_or_else(Bytes::new, |_| Member::header())
    }

    pub(crate) fn append(&mut self, piece: Piece) -> Bytes {
        match (&mut self.member, piece) {
            (Some(member), Piece::Deflated(part)) => member.append(&part),
            (Some(member), Piece::Plain(text)) => {
                member.append(&gzip::deflate_part(&text, gzip::LEVEL))
            }
            (None, Piece::Plain(text)) => text,
            (None, Piece::Deflated(_)) => unreachable!("the renderer and its body agree on gzip"),
        }
    }

    /// Returns the bytes that come last, if any.
    pub(crate) fn tail(self) -> Bytes {
        self.member.map_or_else(Bytes::new, Member::finish)
    }
}
