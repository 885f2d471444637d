//! The samples of one text, by family.

use crate::exposition::cursor::{is_label, is_metric};
use crate::exposition::facts::family_of;
use crate::exposition::float;
use crate::exposition::reader::{Dialect, Entry, Label, MetricKind, Name, Reader, Sample};
use crate::exposition::series::Series;
use crate::exposition::write::Writer;
use crate::exposition::{Escaping, Facts, Format, Policy, Source, Target};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A text's families and samples.
pub(super) struct Table<'a> {
    pub(super) families: Vec<Family<'a>>,
    /// By family; in structured families of OpenMetrics, by group.
    pub(super) pieces: Vec<Piece>,
    pub(super) writer: Writer<'a>,
}

/// A family as declared by the text, or that of an undeclared sample.
pub(super) struct Family<'a> {
    /// Plain, as in the text.
    pub(super) name: Cow<'a, [u8]>,
    pub(super) kind: MetricKind,
    pub(super) is_declared: bool,
    pub(super) help: Option<&'a [u8]>,
    pub(super) unit: Option<&'a [u8]>,
    /// The distinct names of its samples, plain.
    pub(super) names: Vec<Cow<'a, [u8]>>,
}

/// A sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) family: u32,
    /// The index in the family's names.
    pub(super) name: u32,
    /// Where its line is in the text.
    pub(super) start: usize,
    pub(super) end: usize,
    /// A hash of the labels without the bound.
    pub(super) group: u64,
    pub(super) value: f64,
    /// The number in `le` or `quantile`; in a state set, 1 if it has the state's label. NaN if there is none.
    pub(super) bound: f64,
    /// Whether there is such a label without a number.
    pub(super) is_bound_wrong: bool,
    /// A hash of the timestamp.
    pub(super) time: u64,
    pub(super) has_time: bool,
}

/// The metadata of a name in a text.
#[derive(Default)]
struct Said<'a> {
    kind: Option<MetricKind>,
    help: Option<&'a [u8]>,
    unit: Option<&'a [u8]>,
}

type SaidOf<'a> = BTreeMap<Cow<'a, [u8]>, Said<'a>>;

struct Builder<'a, 'p> {
    facts: &'p Facts,
    said: SaidOf<'a>,
    table: Table<'a>,
    by_name: BTreeMap<Cow<'a, [u8]>, u32>,
    seen: BTreeSet<u64>,
    /// The name of the previous sample, its family, and its index in the family's names.
    last: (&'a [u8], u32, u32),
}

impl<'a> Table<'a> {
    pub(super) fn build(
        source: &Source<'a>,
        policy: &Policy,
        facts: &Facts,
        target: Target,
        omit: &[u32],
    ) -> Self {
        let writer = Writer { target, source: facts.dialect(), series: Series::new(source) };
        let mut builder = Builder {
            facts,
            said: said(facts.reader(source.text, policy)),
            table: Self { families: Vec::new(), pieces: Vec::new(), writer },
            by_name: BTreeMap::new(),
            seen: BTreeSet::new(),
            last: (&[], 0, 0),
        };
        builder.read(facts.reader(source.text, policy), omit);
        let mut table = builder.table;
        table.sort();
        table
    }

    /// Brings each family's samples together and, in structured families, each group's.
    fn sort(&mut self) {
        let is_open_metrics = self.writer.target.format == Format::OpenMetrics1;
        let mut order: BTreeMap<(u32, u64), u32> = BTreeMap::new();
        let mut keyed: Vec<_> = Vec::with_capacity(self.pieces.len());
        for (position, piece) in self.pieces.iter().enumerate() {
            let kind = self.families.get(piece.family as usize).map(|family| family.kind);
            let is_grouped = is_open_metrics
                && !matches!(kind, None | Some(MetricKind::Gauge | MetricKind::Unknown));
            let next = u32::try_from(order.len()).unwrap_or(u32::MAX);
            let group = match is_grouped {
                true => *order.entry((piece.family, piece.group)).or_insert(next),
                false => 0,
            };
            keyed.push((piece.family, group, position, *piece));
        }
        keyed.sort_by_key(|(family, group, position, _)| (*family, *group, *position));
        self.pieces = keyed.into_iter().map(|(.., piece)| piece).collect();
    }

    /// The samples of each family, in the order of [`families`](Self::families).
    pub(super) fn by_family(&self) -> impl Iterator<Item = (&Family<'a>, &[Piece])> {
        let chunks = self.pieces.chunk_by(|one, other| one.family == other.family);
        chunks.filter_map(|pieces| {
            let family = self.families.get(pieces.first()?.family as usize)?;
            Some((family, pieces))
        })
    }
}

/// The metadata of the text's families. The first declaration counts.
fn said<'a>(mut reader: Reader<'a>) -> SaidOf<'a> {
    let mut said: SaidOf<'a> = BTreeMap::new();
    while let Some(line) = reader.next() {
        let Ok(line) = line else { continue };
        match line.entry {
            Entry::Comment | Entry::Eof | Entry::Sample(_) => {}
            Entry::Help { name, text } => {
                said.entry(name.plain()).or_default().help.get_or_insert(text);
            }
            Entry::Type { name, kind } => {
                said.entry(name.plain()).or_default().kind.get_or_insert(kind);
            }
            Entry::Unit { name, unit } => {
                said.entry(name.plain()).or_default().unit.get_or_insert(unit);
            }
        }
    }
    said
}

impl<'a> Builder<'a, '_> {
    fn read(&mut self, mut reader: Reader<'a>, omit: &[u32]) {
        let mut omit = omit.iter().copied().peekable();
        let mut index = 0;
        while let Some(line) = reader.next() {
            let Ok(line) = line else { continue };
            let Entry::Sample(sample) = line.entry else { continue };
            let name = sample.name.plain();
            if !self.facts.dropped.is_empty() && self.is_dropped(&name) {
                continue;
            }
            let is_omitted = omit.next_if_eq(&index).is_some();
            let fingerprint = self.fingerprint(index, &sample.name, reader.labels());
            index += 1;
            if !is_omitted && self.seen.insert(fingerprint) {
                self.add(line.start..line.end, name, &sample, reader.labels());
            }
        }
    }

    fn is_dropped(&self, name: &[u8]) -> bool {
        let dialect = self.table.writer.source;
        self.facts.dropped.contains(family_of(name, dialect, |name| self.kind(name)))
    }

    /// The fingerprint of the series as written: escaping can make two series the same.
    fn fingerprint(&self, index: u32, name: &Name<'a>, labels: &[Label<'a>]) -> u64 {
        let writer = &self.table.writer;
        if !self.facts.has_utf8_names || writer.target.escaping == Escaping::AllowUtf8 {
            return self.facts.fingerprints.get(index as usize).copied().unwrap_or_default();
        }
        writer.fingerprint(name, labels)
    }

    fn kind(&self, name: &[u8]) -> Option<MetricKind> {
        self.said.get(name)?.kind
    }

    fn add(
        &mut self,
        line: std::ops::Range<usize>,
        name: Cow<'a, [u8]>,
        sample: &Sample<'a>,
        labels: &[Label<'a>],
    ) {
        let raw = sample.name.text.raw;
        if !std::ptr::eq(self.last.0, raw) {
            let (family, position) = self.place(name);
            self.last = (raw, family, position);
        }
        let (_, family, position) = self.last;
        let Some(owner) = self.table.families.get(family as usize) else { return };
        let bound_name: &[u8] = match owner.kind {
            MetricKind::Histogram | MetricKind::GaugeHistogram => b"le",
            MetricKind::Summary => b"quantile",
            MetricKind::StateSet => &owner.name,
            _ => b"",
        };
        let is_state = owner.kind == MetricKind::StateSet;
        let bound = labels.iter().find(|label| *label.name.plain() == *bound_name);
        let is_bound_wrong =
            bound.is_some_and(|label| !is_state && float::check(label.value.raw).is_err());
        let bound = bound.map(|label| if is_state { 1.0 } else { number(label.value.raw) });
        let series = &self.table.writer.series;
        self.table.pieces.push(Piece {
            family,
            name: position,
            start: line.start,
            end: line.end,
            group: series.group(labels, bound_name),
            value: number(sample.value),
            bound: bound.unwrap_or(f64::NAN),
            is_bound_wrong,
            time: series.hash(sample.timestamp.unwrap_or_default()),
            has_time: sample.timestamp.is_some(),
        });
    }

    /// The family of a sample of this name, and the index in the family's names.
    fn place(&mut self, name: Cow<'a, [u8]>) -> (u32, u32) {
        let family = self.family(&name);
        let Some(owner) = self.table.families.get_mut(family as usize) else { return (family, 0) };
        let known = owner.names.iter().position(|known| *known == name);
        let position = known.unwrap_or_else(|| {
            owner.names.push(name);
            owner.names.len() - 1
        });
        (family, u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// The family of a sample of this name.
    fn family(&mut self, name: &[u8]) -> u32 {
        let owner = self.owner(name);
        if let Some(known) = self.by_name.get(&*owner) {
            return *known;
        }
        let said = self.said.get(&*owner);
        let family = Family {
            name: owner.clone(),
            kind: said.and_then(|said| said.kind).unwrap_or_default(),
            is_declared: said.is_some(),
            help: said.and_then(|said| said.help),
            unit: said.and_then(|said| said.unit),
            names: Vec::new(),
        };
        let number = u32::try_from(self.table.families.len()).unwrap_or(u32::MAX);
        self.table.families.push(family);
        self.by_name.insert(owner, number);
        number
    }

    fn owner(&self, name: &[u8]) -> Cow<'a, [u8]> {
        let writer = &self.table.writer;
        let is_text = writer.source == Dialect::Text;
        if is_text
            && writer.target.format == Format::OpenMetrics1
            && let Some(owner) = self.owner_of_created(name)
        {
            return owner.into();
        }
        family_of(name, writer.source, |name| self.kind(name)).to_vec().into()
    }

    /// In text 0.0.4, the time of creation of a series is in a separate family. In OpenMetrics it belongs to the series' family.
    fn owner_of_created(&self, name: &[u8]) -> Option<Vec<u8>> {
        let stem = name.strip_suffix(b"_created")?;
        if matches!(self.kind(name), Some(kind) if kind != MetricKind::Gauge) {
            return None;
        }
        if matches!(self.kind(stem), Some(MetricKind::Histogram | MetricKind::Summary)) {
            return Some(stem.to_vec());
        }
        let counter = [stem, b"_total"].concat();
        (self.kind(&counter) == Some(MetricKind::Counter)).then_some(counter)
    }
}

fn number(token: &[u8]) -> f64 {
    std::str::from_utf8(token).ok().and_then(|token| token.parse().ok()).unwrap_or(f64::NAN)
}

impl Writer<'_> {
    /// The fingerprint of a series with the names as written.
    fn fingerprint(&self, name: &Name<'_>, labels: &[Label<'_>]) -> u64 {
        let mut text = self.written(name, is_metric).text.into_owned();
        let mut pairs: Vec<_> = labels
            .iter()
            .filter(|label| !self.series.is_replaced(label) && !label.value.raw.is_empty())
            .map(|label| (self.written(&label.name, is_label).text, label.plain_value()))
            .collect();
        let added = self.series.added(labels);
        pairs.extend(added.map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())));
        pairs.sort();
        for (name, value) in pairs {
            for part in [name, value] {
                text.push(0xff);
                text.extend_from_slice(&part);
            }
        }
        self.series.hash(&text)
    }
}
