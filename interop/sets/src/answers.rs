//! What the proxy makes of a set.

use crate::sets::Application;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::exposition::{
    Escaping, ExpositionError, Facts, Format, Inject, OnBadLine, Policy, Source, Target, read,
    render,
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
    let mut answer = Answer { body: Vec::new(), samples: 0, repeated: 0, is_exact: true };
    for reading in readings {
        let Ok(facts) = &reading.facts else { continue };
        let source = source(reading.text, &reading.identity, choices);
        render(&source, &choices.policy(), facts, target, &reading.omit, &mut answer.body);
        answer.samples += facts.samples - reading.omit.len();
        answer.repeated += repeated(facts, &reading.omit);
        answer.is_exact &= is_exact(reading, facts, choices);
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
