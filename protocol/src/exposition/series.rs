//! The series of a sample: its fingerprint, and the labels that are added to it.

use super::cursor::Quoted;
use super::escape::{write_plain, write_quoted};
use super::reader::{Label, Name};
use super::{Inject, Source};
use crate::labels::Labels;
use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};

/// Adds identity labels to series and computes their fingerprints.
pub(super) struct Series<'a> {
    hasher: FixedState,
    identity: &'a Labels,
    inject: Inject,
    /// The hashes of the identity labels.
    hashes: Vec<u64>,
}

/// What was computed for the previous sample: for its name, and for each of its labels together with those before it.
#[derive(Default)]
pub(super) struct Memory<'t> {
    name: (&'t [u8], u64),
    labels: Vec<Found>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// [`Label::start`].
    start: usize,
    /// The sum of the labels' hashes.
    sum: u64,
    /// The identity labels that need not be added.
    present: Mask,
    has_utf8_names: bool,
}

/// What is known about a sample's series.
pub(super) struct Seen {
    /// With the labels that are added.
    pub(super) fingerprint: u64,
    /// Whether labels are added or replaced.
    pub(super) is_changed: bool,
    /// Whether labels have quoted names.
    pub(super) has_utf8_names: bool,
}

/// A set of identity labels, one bit each.
type Mask = u32;

impl<'a> Series<'a> {
    pub(super) fn new(source: &Source<'a>) -> Self {
        let hasher = FixedState::with_seed(source.seed);
        let hash = |pair| hash_plain(&hasher, pair);
        let hashes = match source.inject {
            Inject::Never => Vec::new(),
            Inject::Always | Inject::Missing => source.identity.iter().map(hash).collect(),
        };
        Self { hasher, identity: source.identity, inject: source.inject, hashes }
    }

    /// Examines a sample of the text that `memory` belongs to.
    pub(super) fn see<'t>(
        &self,
        name: &Name<'t>,
        labels: &[Label<'t>],
        memory: &mut Memory<'t>,
    ) -> Seen {
        if !std::ptr::eq(memory.name.0, name.text.raw) {
            memory.name = (name.text.raw, self.hash_pair(&METRIC_NAME, &name.text));
        }
        // A label at the same place has the same labels before it.
        let mut known = memory.labels.len().min(labels.len());
        while let Some(last) = known.checked_sub(1)
            && memory.labels.get(last).map(|found| found.start)
                != labels.get(last).map(|label| label.start)
        {
            known = last;
        }
        memory.labels.truncate(known);
        let mut found = memory.labels.last().copied().unwrap_or_default();
        for label in labels.get(known..).unwrap_or_default() {
            found.start = label.start;
            self.look_at(label, &mut found);
            memory.labels.push(found);
        }
        let mut sum = memory.name.1.wrapping_add(found.sum);
        let lacking = self.all() & !found.present;
        let added = if self.inject == Inject::Always { self.all() } else { lacking };
        for (position, hash) in self.hashes.iter().enumerate() {
            if added & (1 << position) != 0 {
                sum = sum.wrapping_add(*hash);
            }
        }
        Seen { fingerprint: sum, is_changed: lacking != 0, has_utf8_names: found.has_utf8_names }
    }

    fn look_at(&self, label: &Label<'_>, found: &mut Found) {
        found.has_utf8_names |= label.name.is_quoted;
        if label.value.raw.is_empty() {
            return;
        }
        let bit = self.bit_of(&label.name);
        if bit == 0 || self.inject != Inject::Always {
            found.present |= bit;
            found.sum = found.sum.wrapping_add(self.hash_label(label));
        } else if self.is_same(label) {
            found.present |= bit;
        }
    }

    /// A hash of the labels, with those that are added and without the one of this name.
    pub(super) fn group(&self, labels: &[Label<'_>], without: &[u8]) -> u64 {
        let mut sum = 0_u64;
        for label in labels.iter().filter(|label| !label.value.raw.is_empty()) {
            if label.name.text.raw != without && !self.is_replaced(label) {
                sum = sum.wrapping_add(self.hash_label(label));
            }
        }
        for (name, value) in self.added(labels) {
            sum = sum.wrapping_add(hash_plain(&self.hasher, (name, value)));
        }
        sum
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        hash(&self.hasher, b"", bytes)
    }

    /// Whether labels are added to the series or replaced.
    pub(super) fn changes(&self, labels: &[Label<'_>]) -> bool {
        let mut lacking = self.all();
        if lacking == 0 {
            return false;
        }
        for label in labels {
            let bit = self.bit_of(&label.name);
            let is_kept = !label.value.raw.is_empty()
                && (self.inject != Inject::Always || self.is_same(label));
            if is_kept {
                lacking &= !bit;
            }
        }
        lacking != 0
    }

    /// The labels that are added to the series.
    pub(super) fn added(&self, labels: &[Label<'_>]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut added = self.all();
        if self.inject == Inject::Missing && added != 0 {
            for label in labels.iter().filter(|label| !label.value.raw.is_empty()) {
                added &= !self.bit_of(&label.name);
            }
        }
        let is_added = move |position: &usize| added & (1 << position) != 0;
        self.identity.iter().enumerate().filter(move |(at, _)| is_added(at)).map(|(_, pair)| pair)
    }

    /// Whether an added label replaces this one.
    pub(super) fn is_replaced(&self, label: &Label<'_>) -> bool {
        self.bit_of(&label.name) != 0
            && (self.inject == Inject::Always || label.value.raw.is_empty())
    }

    fn is_same(&self, label: &Label<'_>) -> bool {
        let mut identity = self.identity.iter();
        identity.any(|(name, value)| {
            name.as_bytes() == label.name.text.raw && value.as_bytes() == &*label.plain_value()
        })
    }

    fn all(&self) -> Mask {
        (1 << self.hashes.len()) - 1
    }

    fn bit_of(&self, name: &Name<'_>) -> Mask {
        if self.hashes.is_empty() {
            return 0;
        }
        let raw = name.text.raw;
        let position = self.identity.iter().position(|(name, _)| name.as_bytes() == raw);
        position.map_or(0, |position| 1 << position)
    }

    fn hash_label(&self, label: &Label<'_>) -> u64 {
        self.hash_pair(&label.name.text, &label.value)
    }

    /// Hashes escaped texts. These are the same if and only if the plain ones are, unless one is strange.
    fn hash_pair(&self, name: &Quoted<'_>, value: &Quoted<'_>) -> u64 {
        if name.is_strange || value.is_strange {
            return hash(&self.hasher, &escaped(name), &escaped(value));
        }
        hash(&self.hasher, name.raw, value.raw)
    }
}

const METRIC_NAME: Quoted<'_> = Quoted { raw: b"__name__", is_escaped: false, is_strange: false };

/// A quoted text in its only unambiguous form.
fn escaped(quoted: &Quoted<'_>) -> Vec<u8> {
    let mut text = Vec::with_capacity(quoted.raw.len());
    write_quoted(quoted, &mut text);
    text
}

/// The hash of a label without escapes.
fn hash_plain(state: &FixedState, (name, value): (&str, &str)) -> u64 {
    let mut escaped = Vec::with_capacity(value.len());
    write_plain(value.as_bytes(), &mut escaped);
    hash(state, name.as_bytes(), &escaped)
}

fn hash(state: &FixedState, name: &[u8], value: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(name);
    // No UTF-8 text has this byte.
    hasher.write_u8(0xff);
    hasher.write(value);
    hasher.finish()
}
