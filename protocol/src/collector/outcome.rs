//! What a scrape asks for, and what it comes to.

use super::{AppId, AppRef, ScrapeFailure};
use crate::Labels;
use crate::exposition::{Facts, Inject, Policy};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Which applications a scrape asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// All that there are, in the order of their first connecting.
    All,
    /// These, in the same order. One that is unknown has an outcome as well.
    Some(Vec<AppId>),
}

/// Labels of an application that are added to its series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// What the application said of itself in SETUP, and what its credentials give it.
    pub labels: Labels,
    /// Whether its credentials give it some of them: then they replace what its text says.
    pub is_proven: bool,
}

impl Injected {
    /// Returns how they are added, where it is configured how those are that are only said.
    pub fn inject(&self, configured: Inject) -> Inject {
        if self.is_proven { Inject::Always } else { configured }
    }
}

/// One application's metrics, opened and read. Clones share them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The text as a Snappy block, the application's own where it sent one: see [`envelope::expand`](crate::envelope::expand).
    pub block: Bytes,
    /// Bytes of the text.
    pub text_len: usize,
    /// What was found in the text.
    pub facts: Arc<Facts>,
    /// The labels that the text was read with, to be rendered with the same.
    pub injected: Injected,
    /// When they are added; as it was then, whatever is configured since.
    pub inject: Inject,
    /// What was accepted of the text, likewise.
    pub policy: Arc<Policy>,
    /// Whether this is a push that stands in for an answer.
    pub is_push: bool,
}

impl Answer {
    /// Bytes that are held with an answer.
    pub(super) fn weight(&self) -> usize {
        self.block.len() + self.facts.fingerprints.len() * size_of::<u64>()
    }
}

/// What a scrape has come to for one application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The application.
    pub app: AppRef,
    /// Time since the scrape began.
    pub took: Duration,
    /// Its metrics, or why there are none.
    pub result: Result<Answer, ScrapeFailure>,
    /// Pushes before the one in `result` that the scraper has not had either, in the order of arrival. Of a series that several have, the latest
    /// counts.
    pub earlier: Vec<Answer>,
    /// Why the application has not answered itself, where a push stands in for its answer.
    pub instead_of: Option<ScrapeFailure>,
}

impl Outcome {
    /// Why the application did not answer this scrape itself: it is down. `None` if it is up.
    pub fn failure(&self) -> Option<&ScrapeFailure> {
        self.instead_of.as_ref().or_else(|| self.result.as_ref().err())
    }
}

/// What a scrape has to hand out next.
#[derive(Debug)]
pub enum Progress {
    /// The scrape is over, or never was.
    Finished(Summary),
    /// The next application's outcome.
    Outcome(Box<Outcome>),
    /// Nothing yet.
    Pending,
}

/// How a scrape went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Applications of the scrape: as many outcomes are handed out.
    pub apps: usize,
    /// Of these, those whose metrics were handed out, pushes included.
    pub served: usize,
    /// Of those, pushes.
    pub pushes: usize,
    /// Applications that had gone before, and left no push: there was nothing to be served.
    pub gone: usize,
}

impl Summary {
    /// Whether the metrics of every application were handed out that was there to be asked.
    pub fn is_complete(&self) -> bool {
        self.served + self.gone == self.apps
    }
}
