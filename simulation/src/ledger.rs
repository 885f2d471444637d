//! What really happened, as the applications, the scrapers and the faults have told it. It is judged at the end, when
//! everything is known.

use crate::report::{Counts, Kind, Violation};
use crate::text::Shape;
use prometheus_rsocket_client::{PushFailure, PushMode};
use prometheus_rsocket_sim::LinkConfig;
use std::time::Duration;

/// Time since the world began.
pub(crate) type At = Duration;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) apps: Vec<AppRecord>,
    pub(crate) scrapers: Vec<Faults>,
    pub(crate) scrapes: Vec<ScrapeRecord>,
    pub(crate) lists: Vec<ListRecord>,
    /// What was done to the proxy, and so to everybody.
    pub(crate) proxy: Faults,
    /// While there may have been a peer that is asked, and does not answer.
    pub(crate) mutes: Faults,
    /// While there was one for sure, where nothing was done to the proxy.
    pub(crate) sure_mutes: Faults,
    pub(crate) counts: Counts,
    pub(crate) violations: Vec<Violation>,
}

/// Times in which something was done to somebody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<(At, At)>);

/// An application, across all its lives.
#[derive(Debug)]
pub(crate) struct AppRecord {
    /// Each time that its metrics were asked for; the index is the text's serial number.
    pub(crate) calls: Vec<Call>,
    /// When something was done to it from outside, without ending it.
    pub(crate) faults: Faults,
    /// When it was closing, closed, or crashed; the last time may not be over.
    pub(crate) downs: Faults,
    pub(crate) pushes: Vec<PushRecord>,
    /// How long what it gives may take to reach the proxy.
    pub(crate) transfer: Duration,
    /// It says that it is `instance="app-N"`.
    pub(crate) instance: Option<usize>,
    /// Another application says the same.
    pub(crate) is_twin: bool,
    /// It says nothing, and is known by its texts.
    pub(crate) is_learnt: bool,
}

/// One time that an application's metrics were asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) at: At,
    pub(crate) came: Option<(At, Came)>,
    /// When nobody wanted it any more, if that was before anything came of it.
    pub(crate) dropped: Option<At>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// An error, a panic, or a text that is of no use; and what the proxy calls that.
    Nothing(&'static str),
    Text(Shape),
}

#[derive(Clone, Debug)]
pub(crate) struct PushRecord {
    pub(crate) at: At,
    pub(crate) mode: PushMode,
    /// The first call that may have been for it.
    pub(crate) first_call: usize,
    pub(crate) done: Option<PushDone>,
}

#[derive(Clone, Debug)]
pub(crate) struct PushDone {
    pub(crate) at: At,
    pub(crate) result: Result<(), PushFailure>,
    /// The first call that came after it.
    pub(crate) end_call: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct ScrapeRecord {
    /// Whose.
    pub(crate) scraper: usize,
    pub(crate) of: Of,
    /// Since when its connection has been there.
    pub(crate) opened: At,
    pub(crate) start: At,
    /// What the proxy was given.
    pub(crate) timeout: Duration,
    /// Which applications said that they were connected when it began.
    pub(crate) ready: Vec<bool>,
    /// Whether it was to be read as fast as it comes.
    pub(crate) prompt: bool,
    pub(crate) end: Option<(At, ScrapeEnd)>,
    /// When its connection was used again after that, or was ended in order, if that was so.
    pub(crate) went_on: Option<At>,
}

#[derive(Clone, Debug)]
pub(crate) enum ScrapeEnd {
    /// The scraper went away; before anybody could have answered, or later.
    Abandoned { early: bool },
    /// It broke.
    Failed(String),
    /// The scraper waited for longer than it had to.
    Unended,
    /// The proxy says that the one application is down, or unknown.
    Down { status: u16, reason: Option<&'static str> },
    /// Nothing but the headers was asked for.
    Headers,
    /// All of it was read: so many bytes, and whose texts of which number.
    Whole { len: usize, sections: Vec<(usize, usize)>, rows: Vec<Row> },
}

/// Whom a scrape is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    All,
    One(usize),
    /// One application, of which nobody knows which it is.
    Somebody,
}

/// What an answer says of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its labels, but for the reason.
    pub(crate) name: String,
    /// Whose it is, where its labels or its text say so.
    pub(crate) app: Option<usize>,
    /// Which text of its is in the answer.
    pub(crate) serial: Option<usize>,
    /// Why it is down; otherwise it is up.
    pub(crate) reason: Option<String>,
    pub(crate) took: Duration,
    pub(crate) samples: usize,
}

/// A list of targets that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct ListRecord {
    pub(crate) scraper: usize,
    pub(crate) opened: At,
    pub(crate) start: At,
    pub(crate) end: At,
    /// The paths behind `/metrics/app/`; or what went wrong.
    pub(crate) paths: Result<Vec<String>, String>,
}

impl Faults {
    pub(crate) fn add(&mut self, from: At, until: At) {
        self.0.push((from, until));
    }

    /// Something that has no end yet.
    pub(crate) fn begin(&mut self, from: At) {
        if !self.is_going_on() {
            self.add(from, At::MAX);
        }
    }

    pub(crate) fn end(&mut self, until: At) {
        if let Some(last) = self.0.last_mut().filter(|last| last.1 == At::MAX) {
            last.1 = until;
        }
    }

    pub(crate) fn is_going_on(&self) -> bool {
        self.0.last().is_some_and(|last| last.1 == At::MAX)
    }

    pub(crate) fn any(&self, from: At, until: At) -> bool {
        self.0.iter().any(|fault| fault.0 <= until && fault.1 >= from)
    }

    /// From when to when.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (At, At)> {
        self.0.iter().copied()
    }

    /// Whether one has lasted for all of a time.
    pub(crate) fn throughout(&self, from: At, until: At) -> bool {
        self.0.iter().any(|fault| fault.0 <= from && fault.1 >= until)
    }
}

impl AppRecord {
    pub(crate) fn new(link: &LinkConfig, text_max: usize, job_time: Duration) -> Self {
        // Two windows for each latency would do; bytes of other scrapes may be in the way.
        let windows = 2 + text_max / link.capacity.max(1);
        let sending = link.bandwidth.map_or(0.0, |rate| text_max as f64 / rate as f64);
        let travel = link.latency_max * windows as u32 + Duration::from_secs_f64(sending);
        Self {
            calls: Vec::new(),
            faults: Faults::default(),
            downs: Faults::default(),
            pushes: Vec::new(),
            transfer: travel * 4 + job_time,
            instance: None,
            is_twin: false,
            is_learnt: false,
        }
    }

    /// Whether anything was done to it, or by it, within a time.
    pub(crate) fn is_touched(&self, from: At, until: At) -> bool {
        self.downs.any(from, until) || self.faults.any(from, until)
    }

    /// What was asked within a time.
    pub(crate) fn calls_within(&self, from: At, until: At) -> &[Call] {
        let begin = self.calls.partition_point(|call| call.at < from);
        let end = self.calls.partition_point(|call| call.at <= until);
        &self.calls[begin..end]
    }

    /// Whether it says of itself what nobody else says.
    pub(crate) fn has_name(&self) -> bool {
        self.instance.is_some() && !self.is_twin
    }

    pub(crate) fn shape(&self, serial: usize) -> Option<Shape> {
        match self.calls.get(serial)?.came {
            Some((_, Came::Text(shape))) => Some(shape),
            Some((_, Came::Nothing(_))) | None => None,
        }
    }
}

impl Call {
    /// When it was over.
    pub(crate) fn over(&self) -> At {
        self.came.map(|(at, _)| at).or(self.dropped).unwrap_or(At::MAX)
    }
}

impl Ledger {
    pub(crate) fn violation(&mut self, at: At, kind: Kind, what: impl Into<String>) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { at, kind, what: what.into() });
        }
    }
}

/// More are of no use.
const VIOLATIONS_MAX: usize = 20;
