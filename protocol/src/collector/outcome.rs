//! What a scrape asks for, and its results.

use super::{AppId, AppRef, ScrapeFailure};
use crate::Labels;
use crate::exposition::{Facts, Inject, Policy};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// The applications of a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// All applications, in the order of first connecting.
    All,
    /// These applications, in the same order. Unknown ids have an outcome, too.
    Some(Vec<AppId>),
}

/// Labels that are added to an application's series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// The labels that the application declares in SETUP and those that its credentials grant.
    pub labels: Labels,
    /// Whether its credentials grant some of them. Then they replace labels in its text.
    pub is_proven: bool,
}

impl Injected {
    /// Returns how they are added; `configured` applies to labels that are only declared.
    pub fn inject(&self, configured: Inject) -> Inject {
        if self.is_proven { Inject::Always } else { configured }
    }
}

/// One application's metrics, opened and read. Cloning is cheap: clones share the data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The text as a Snappy block: the application's own, if it sent one. See [`envelope::expand`](crate::envelope::expand).
    pub block: Bytes,
    /// Length of the text in bytes.
    pub text_len: usize,
    /// What was found in the text.
    pub facts: Arc<Facts>,
    /// The labels that the text was read with and has to be rendered with.
    pub injected: Injected,
    /// When the labels are added, as configured when the text was read.
    pub inject: Inject,
    /// What was accepted in the text, as configured when it was read.
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

/// The result of a scrape for one application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The application.
    pub app: AppRef,
    /// Time since the scrape began.
    pub took: Duration,
    /// Its metrics, or why there are none.
    pub result: Result<Answer, ScrapeFailure>,
    /// Earlier pushes than the one in `result` that the scraper has not received either, in the order of arrival. For a series
    /// in several pushes, the latest counts.
    pub earlier: Vec<Answer>,
    /// If a push stands in for the answer: why the application did not answer itself.
    pub instead_of: Option<ScrapeFailure>,
}

impl Outcome {
    /// Why the application did not answer this scrape itself, which makes it down. `None` if it is up.
    pub fn failure(&self) -> Option<&ScrapeFailure> {
        self.instead_of.as_ref().or_else(|| self.result.as_ref().err())
    }
}

/// The next result of a scrape.
#[derive(Debug)]
pub enum Progress {
    /// The scrape is over or unknown.
    Finished(Summary),
    /// The next application's outcome.
    Outcome(Box<Outcome>),
    /// Nothing is available yet.
    Pending,
}

/// Totals of a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Applications in the scrape, each with one outcome.
    pub apps: usize,
    /// Applications whose metrics were handed out, pushes included.
    pub served: usize,
    /// Served applications for which a push stood in.
    pub pushes: usize,
    /// Applications that had gone before without leaving a push, so there was nothing to serve.
    pub gone: usize,
}

impl Summary {
    /// Whether every application was served, except those that had gone.
    pub fn is_complete(&self) -> bool {
        self.served + self.gone == self.apps
    }
}
