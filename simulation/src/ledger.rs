//! What really happened, as applications, scrapers and faults have recorded it. It is judged at the end, when everything is known.

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
    /// Times in which something was done to the proxy, and so to everybody.
    pub(crate) proxy: Faults,
    /// Times in which there may have been a peer that is asked and does not answer.
    pub(crate) mutes: Faults,
    /// Times in which there certainly was one, unless something was done to the proxy.
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
    /// Each call for its metrics. The index is the serial number of the text.
    pub(crate) calls: Vec<Call>,
    /// When something was done to it from outside, without ending it.
    pub(crate) faults: Faults,
    /// When it was closing, closed, or crashed. The last time may not be over.
    pub(crate) downs: Faults,
    pub(crate) pushes: Vec<PushRecord>,
    /// How long its data may take to reach the proxy.
    pub(crate) transfer: Duration,
    /// The number N in the label `instance="app-N"` that it declares.
    pub(crate) instance: Option<usize>,
    /// Whether another application declares the same.
    pub(crate) is_twin: bool,
    /// Whether it declares nothing, and is identified by its texts.
    pub(crate) is_learnt: bool,
}

/// One call for an application's metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) at: At,
    pub(crate) came: Option<(At, Came)>,
    /// When nobody waited for it any more, if that was before it had a result.
    pub(crate) dropped: Option<At>,
}

/// The result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// An error, a panic, or a useless text; and the proxy's name for that.
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
    /// The number of the scraper.
    pub(crate) scraper: usize,
    pub(crate) of: Of,
    /// When its connection was opened.
    pub(crate) opened: At,
    pub(crate) start: At,
    /// The time limit that the proxy was told.
    pub(crate) timeout: Duration,
    /// Which applications reported at its beginning that they were connected.
    pub(crate) ready: Vec<bool>,
    /// Whether it was to be read as fast as it arrives.
    pub(crate) prompt: bool,
    pub(crate) end: Option<(At, ScrapeEnd)>,
    /// When its connection was used again afterwards, or ended in order, if it was.
    pub(crate) went_on: Option<At>,
}

#[derive(Clone, Debug)]
pub(crate) enum ScrapeEnd {
    /// The scraper went away, before anybody could have answered (`early`) or later.
    Abandoned { early: bool },
    /// The connection broke.
    Failed(String),
    /// The scraper waited for longer than it had to.
    Unended,
    /// The proxy says that the one application is down, or unknown.
    Down { status: u16, reason: Option<&'static str> },
    /// Only the headers were requested.
    Headers,
    /// The whole answer was read: its length in bytes, and the application and number of each text.
    Whole { len: usize, sections: Vec<(usize, usize)>, rows: Vec<Row> },
}

/// The applications that a scrape covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    All,
    One(usize),
    /// One application, of which it is unknown which one it is.
    Somebody,
}

/// What an answer says about one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its labels, except for the reason.
    pub(crate) name: String,
    /// Its number, if its labels or its text tell.
    pub(crate) app: Option<usize>,
    /// The number of its text in the answer.
    pub(crate) serial: Option<usize>,
    /// Why it is down; `None` if it is up.
    pub(crate) reason: Option<String>,
    pub(crate) took: Duration,
    pub(crate) samples: usize,
}

/// A list of targets that was requested.
#[derive(Clone, Debug)]
pub(crate) struct ListRecord {
    pub(crate) scraper: usize,
    pub(crate) opened: At,
    pub(crate) start: At,
    pub(crate) end: At,
    /// The paths after `/metrics/app/`, or what went wrong.
    pub(crate) paths: Result<Vec<String>, String>,
}

impl Faults {
    pub(crate) fn add(&mut self, from: At, until: At) {
        self.0.push((from, until));
    }

    /// Begins a fault that has no end yet.
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

    /// Returns the beginnings and ends.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (At, At)> {
        self.0.iter().copied()
    }

    /// Returns whether one fault lasted during a whole time.
    pub(crate) fn throughout(&self, from: At, until: At) -> bool {
        self.0.iter().any(|fault| fault.0 <= from && fault.1 >= until)
    }
}

impl AppRecord {
    pub(crate) fn new(link: &LinkConfig, text_max: usize, job_time: Duration) -> Self {
        // Two windows for each latency would be enough, but bytes of other scrapes may be in the way.
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

    /// Returns whether anything was done to it, or by it, within a time.
    pub(crate) fn is_touched(&self, from: At, until: At) -> bool {
        self.downs.any(from, until) || self.faults.any(from, until)
    }

    /// Returns the calls within a time.
    pub(crate) fn calls_within(&self, from: At, until: At) -> &[Call] {
        let begin = self.calls.partition_point(|call| call.at < from);
        let end = self.calls.partition_point(|call| call.at <= until);
        &self.calls[begin..end]
    }

    /// Returns whether it declares a name that nobody else declares.
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
    /// Returns when it was over.
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

/// More would be of no use.
const VIOLATIONS_MAX: usize = 20;
