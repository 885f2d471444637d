//! The series of a sample: its fingerprint, and the labels that are added to it.

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
    /// The hashes of the identity's labels.
    hashes: Vec<u64>,
}

/// Hashes of the parts of the sample before, known by where they are in the text.
#[derive(Default)]
pub(super) struct Memory<'t> {
    name: (&'t [u8], u64),
    labels: Vec<(&'t [u8], u64)>,
}

/// The hash of a part, from memory if it is the same as before.
fn remember<'t>(memory: &mut (&'t [u8], u64), part: &'t [u8], hash: impl FnOnce() -> u64) -> u64 {
    if !std::ptr::eq(memory.0, part) {
        *memory = (part, hash());
    }
    memory.1
}

/// Which labels of the identity are in play, one bit each.
type Mask = u32;

impl<'a> Series<'a> {
    pub(super) fn new(source: &Source<'a>) -> Self {
        let hasher = FixedState::with_seed(source.seed);
        let hash = |(name, value): (&str, &str)| hash(&hasher, name.as_bytes(), value.as_bytes());
        let hashes = match source.inject {
            Inject::Never => Vec::new(),
            Inject::Always | Inject::Missing => source.identity.iter().map(hash).collect(),
        };
        Self { hasher, identity: source.identity, inject: source.inject, hashes }
    }

    /// The fingerprint of the series, with the labels that are added to it.
    pub(super) fn fingerprint<'t>(
        &self,
        name: &Name<'t>,
        labels: &[Label<'t>],
        memory: &mut Memory<'t>,
    ) -> u64 {
        let of_name = || hash(&self.hasher, b"__name__", &name.plain());
        let mut sum = remember(&mut memory.name, name.text.raw, of_name);
        let mut added = self.all();
        if memory.labels.len() < labels.len() {
            memory.labels.resize(labels.len(), (&[], 0));
        }
        for (label, memory) in labels.iter().zip(&mut memory.labels) {
            if label.value.raw.is_empty() {
                continue;
            }
            let bit = self.bit_of(&label.name);
            if bit != 0 && self.inject == Inject::Always {
                continue;
            }
            added &= !bit;
            sum = sum.wrapping_add(remember(memory, label.span, || self.hash_label(label)));
        }
        for (position, hash) in self.hashes.iter().enumerate() {
            if added & (1 << position) != 0 {
                sum = sum.wrapping_add(*hash);
            }
        }
        sum
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
            sum = sum.wrapping_add(hash(&self.hasher, name.as_bytes(), value.as_bytes()));
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

    /// Whether the label gives way to one that is added.
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
        if label.name.text.is_escaped || label.value.is_escaped {
            return hash(&self.hasher, &label.name.plain(), &label.plain_value());
        }
        hash(&self.hasher, label.name.text.raw, label.value.raw)
    }
}

fn hash(state: &FixedState, name: &[u8], value: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(name);
    // No UTF-8 text has this byte.
    hasher.write_u8(0xff);
    hasher.write(value);
    hasher.finish()
}
