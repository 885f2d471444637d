//! What the proxy makes of a set.

use crate::sets::Application;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::exposition::group::{Merge, Plan, Prepared, prepare, split};
use prometheus_rsocket_protocol::exposition::{
    Escaping, ExpositionError, Facts, Format, Inject, OnBadLine, Policy, Source, SourceFormat,
    Target, read, render,
};
use std::collections::HashSet;

/// The key of all fingerprints.
const SEED: u64 = 7;

/// One application, read.
pub(crate) struct Reading<'a> {
    pub(crate) text: &'a [u8],
    identity: Labels,
    pub(crate) facts: Result<Facts, ExpositionError>,
    /// Samples of series that an application before it has.
    omit: Vec<u32>,
}

/// How a set is read and served; each has a part in some seeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choices {
    pub(crate) escaping: Escaping,
    pub(crate) inject: Inject,
    pub(crate) on_bad_line: OnBadLine,
}

impl Choices {
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            escaping: if seed.is_multiple_of(2) {
                Escaping::AllowUtf8
            } else {
                Escaping::Underscores
            },
            inject: [Inject::Missing, Inject::Never, Inject::Always, Inject::Never]
                [(seed / 2 % 4) as usize],
            on_bad_line: if seed.is_multiple_of(3) {
                OnBadLine::DropFamily
            } else {
                OnBadLine::DropApplication
            },
        }
    }

    fn policy(self) -> Policy {
        Policy { on_bad_line: self.on_bad_line, ..Policy::default() }
    }
}

/// What a scraper is answered.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// How many samples there should be.
    pub(crate) samples: usize,
    /// How many of them are of a series that the same application has before, which the proxy leaves alone.
    pub(crate) repeated: usize,
    /// Whether names have become the same that were not.
    pub(crate) may_merge: bool,
    /// Whether these are the samples that the applications sent, with nothing added, left out or renamed.
    pub(crate) is_exact: bool,
}

/// Reads all applications of a set, and finds the series that come twice.
pub(crate) fn read_all(set: &[Application], choices: Choices) -> Vec<Reading<'_>> {
    let mut seen: HashSet<u64> = HashSet::new();
    let policy = choices.policy();
    set.iter()
        .map(|application| {
            let identity = application.identity.iter().map(|(name, value)| (*name, value.as_str()));
            let identity = Labels::new(identity).unwrap_or_default();
            let facts = read(&source(&application.text, &identity, choices), &policy);
            let mut omit = Vec::new();
            if let Ok(facts) = &facts {
                let numbered = (0..).zip(&facts.fingerprints);
                omit.extend(
                    numbered.filter(|(_, print)| seen.contains(*print)).map(|(number, _)| number),
                );
                seen.extend(&facts.fingerprints);
            }
            Reading { text: &application.text, identity, facts, omit }
        })
        .collect()
}

fn source<'a>(text: &'a [u8], identity: &'a Labels, choices: Choices) -> Source<'a> {
    Source { text, identity, inject: choices.inject, seed: SEED }
}

/// All texts one after the other.
pub(crate) fn joined(readings: &[Reading<'_>], choices: Choices) -> Answer {
    let target = Target { format: Format::Text004, escaping: choices.escaping };
    let mut answer = expected(readings, choices, target);
    for (reading, facts) in served(readings) {
        let source = source(reading.text, &reading.identity, choices);
        render(&source, &choices.policy(), facts, target, &reading.omit, &mut answer.body);
    }
    answer
}

/// The first text alone, in OpenMetrics.
pub(crate) fn single(readings: &[Reading<'_>], choices: Choices) -> Answer {
    let target = Target { format: Format::OpenMetrics1, escaping: choices.escaping };
    let first = readings.get(..1).unwrap_or_default();
    let mut answer = expected(first, choices, target);
    for (reading, facts) in served(first) {
        let source = source(reading.text, &reading.identity, choices);
        render(&source, &choices.policy(), facts, target, &reading.omit, &mut answer.body);
    }
    answer.body.extend_from_slice(b"# EOF\n");
    answer
}

/// All texts, family by family.
pub(crate) fn grouped(readings: &[Reading<'_>], choices: Choices, format: Format) -> Answer {
    let target = Target { format, escaping: choices.escaping };
    let policy = choices.policy();
    let mut answer = expected(readings, choices, target);
    // A series that comes twice is written once.
    answer.samples -= answer.repeated;
    answer.is_exact &= answer.repeated == 0;
    answer.repeated = 0;
    let sources = || {
        served(readings).map(|(reading, facts)| {
            (source(reading.text, &reading.identity, choices), facts, &reading.omit)
        })
    };
    let prepared: Vec<_> = sources()
        .map(|(source, facts, omit)| prepare(&source, &policy, facts, target, omit))
        .collect();
    let plan = Plan::new(prepared.iter().map(Prepared::outline));
    let splits = sources().zip(&prepared).map(|((source, facts, omit), prepared)| {
        let again = || split(&source, &policy, facts, target, omit, &plan);
        prepared.split(&plan).unwrap_or_else(again)
    });
    let mut merge = Merge::new(target, splits);
    while merge.write(&mut answer.body) {}
    if format == Format::OpenMetrics1 {
        answer.body.extend_from_slice(b"# EOF\n");
    }
    answer
}

/// The applications that are served.
fn served<'r, 'a>(
    readings: &'r [Reading<'a>],
) -> impl Iterator<Item = (&'r Reading<'a>, &'r Facts)> {
    readings.iter().filter_map(|reading| reading.facts.as_ref().ok().map(|facts| (reading, facts)))
}

/// An answer without its body.
fn expected(readings: &[Reading<'_>], choices: Choices, target: Target) -> Answer {
    let mut answer =
        Answer { body: Vec::new(), samples: 0, repeated: 0, may_merge: false, is_exact: true };
    for (reading, facts) in served(readings) {
        answer.samples += facts.samples - reading.omit.len();
        answer.repeated += repeated(facts, &reading.omit);
        answer.may_merge |= facts.has_utf8_names && choices.escaping == Escaping::Underscores;
        // Counters of the text format get another name.
        let keeps_format =
            target.format == Format::Text004 || facts.format == SourceFormat::OpenMetrics;
        answer.is_exact &= keeps_format && is_exact(reading, facts, choices);
    }
    answer
}

fn repeated(facts: &Facts, omit: &[u32]) -> usize {
    let mut seen = HashSet::new();
    let numbered = (0..).zip(&facts.fingerprints);
    numbered.filter(|(number, print)| !omit.contains(number) && !seen.insert(**print)).count()
}

fn is_exact(reading: &Reading<'_>, facts: &Facts, choices: Choices) -> bool {
    let is_unchanged = reading.identity.is_empty() || matches!(choices.inject, Inject::Never);
    let keeps_names = !facts.has_utf8_names || choices.escaping == Escaping::AllowUtf8;
    reading.omit.is_empty() && facts.reduced.is_none() && is_unchanged && keeps_names
}
