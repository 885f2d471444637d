use super::split::{Split, write_head};
use crate::envelope;
use crate::exposition::Target;
use crate::exposition::reader::MetricKind;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::VecDeque;

/// Writes the families of all applications in the order of their names and, within a family, in the order of the applications.
#[derive(Debug)]
pub struct Merge {
    target: Target,
    splits: Vec<Cursor>,
    /// The next family of each application.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    /// The applications whose samples of the current family are yet to be written.
    writing: VecDeque<usize>,
    name: Vec<u8>,
}

impl Merge {
    /// Starts with the [`split`](super::split()) of each application's text, in order. All must be made for this target.
    pub fn new(target: Target, splits: impl IntoIterator<Item = Split>) -> Self {
        let splits: Vec<_> = splits.into_iter().map(Cursor::new).collect();
        let mut merge = Self {
            target,
            splits,
            heads: BinaryHeap::new(),
            writing: VecDeque::new(),
            name: Vec::new(),
        };
        for position in 0..merge.splits.len() {
            merge.enter(position);
        }
        merge
    }

    /// Appends the next few lines, about 16 KiB at most unless a single line is longer. Returns `false` once nothing is left.
    ///
    /// `# EOF` is not written; that is up to the caller.
    pub fn write(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(&position) = self.writing.front() else { return self.begin_family(out) };
        let Some(split) = self.splits.get_mut(position) else { return false };
        if let Some(record) = split.record().filter(|record| record.name == self.name) {
            out.extend_from_slice(record.lines);
            split.advance();
            return true;
        }
        self.writing.pop_front();
        self.enter(position);
        !(self.writing.is_empty() && self.heads.is_empty())
    }

    fn begin_family(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(Reverse((name, first))) = self.heads.pop() else { return false };
        self.writing.push_back(first);
        while let Some(Reverse((_, position))) = self.heads.pop_if_name(&name) {
            self.writing.push_back(position);
        }
        self.name = name;
        let records = || self.writing.iter().filter_map(|&at| self.splits.get(at)?.record());
        let kind = records().next().map(|record| record.kind).unwrap_or_default();
        let help = records().find_map(|record| record.help);
        let unit = records().find_map(|record| record.unit);
        write_head(self.target, &self.name, kind, help, unit, out);
        true
    }

    /// Adds the next family of an application.
    fn enter(&mut self, position: usize) {
        let record = self.splits.get(position).and_then(Cursor::record);
        if let Some(record) = record {
            self.heads.push(Reverse((record.name.to_vec(), position)));
        }
    }
}

trait PopIfName {
    fn pop_if_name(&mut self, name: &[u8]) -> Option<Reverse<(Vec<u8>, usize)>>;
}

impl PopIfName for BinaryHeap<Reverse<(Vec<u8>, usize)>> {
    fn pop_if_name(&mut self, name: &[u8]) -> Option<Reverse<(Vec<u8>, usize)>> {
        self.peek().filter(|Reverse((other, _))| other == name)?;
        self.pop()
    }
}

/// The position in a split.
#[derive(Debug)]
struct Cursor {
    chunks: std::vec::IntoIter<Bytes>,
    chunk: Bytes,
}

impl Cursor {
    fn new(split: Split) -> Self {
        let mut cursor = Self { chunks: split.chunks.into_iter(), chunk: Bytes::new() };
        cursor.fill();
        cursor
    }

    fn record(&self) -> Option<Record<'_>> {
        Record::read(&self.chunk).map(|(record, _)| record)
    }

    fn advance(&mut self) {
        let len = Record::read(&self.chunk).map_or(self.chunk.len(), |(_, len)| len);
        let _ = self.chunk.split_to(len.min(self.chunk.len()));
        self.fill();
    }

    fn fill(&mut self) {
        while self.chunk.is_empty() {
            let Some(next) = self.chunks.next() else { return };
            self.chunk = envelope::expand(&next, usize::MAX).unwrap_or_default();
        }
    }
}

/// Lines of a family, with its metadata.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: MetricKind,
    pub(super) help: Option<&'a [u8]>,
    pub(super) unit: Option<&'a [u8]>,
    pub(super) lines: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default() as u8);
        for part in [Some(self.name), self.help, self.unit, Some(self.lines)] {
            // 0 stands for `None`.
            let len = part.map_or(0, |part| part.len() as u64 + 1);
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(part.unwrap_or_default());
        }
    }

    /// The first record, and its length.
    fn read(chunk: &'a [u8]) -> Option<(Self, usize)> {
        let (&kind, mut rest) = chunk.split_first()?;
        let mut part = || {
            let (len, after) = rest.split_first_chunk::<8>()?;
            let len = usize::try_from(u64::from_be_bytes(*len)).ok()?;
            let (part, after) = after.split_at_checked(len.saturating_sub(1))?;
            rest = after;
            Some((len > 0).then_some(part))
        };
        let (name, help, unit, lines) = (part()??, part()?, part()?, part()??);
        let kind = KINDS.get(usize::from(kind)).copied().unwrap_or_default();
        Some((Self { name, kind, help, unit, lines }, chunk.len() - rest.len()))
    }
}

/// Types by their numbers in records.
const KINDS: &[MetricKind] = &[
    MetricKind::Unknown,
    MetricKind::Counter,
    MetricKind::Gauge,
    MetricKind::GaugeHistogram,
    MetricKind::Histogram,
    MetricKind::Info,
    MetricKind::StateSet,
    MetricKind::Summary,
];
