use super::conform::{conforms, stem};
use super::plan::{Item, Outline, Plan};
use super::table::{Family, Piece, Table};
use crate::exposition::cursor::is_metric;
use crate::exposition::reader::{Dialect, Entry, MetricKind, Reader};
use crate::exposition::write::{Shape, Written};
use crate::exposition::{Facts, Format, Limits, Policy, Source, Target};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a text contributes to a grouped answer, as far as it is known without the other texts.
#[derive(Clone, Debug)]
pub struct Prepared {
    outline: Outline,
    /// The chunks, if no other text changes the types.
    split: Split,
}

impl Prepared {
    /// Returns the families of the text.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Returns the prepared chunks. `None` if the plan is at odds with them: then call [`split`].
    pub fn split(&self, plan: &Plan) -> Option<Split> {
        plan.suits(&self.outline).then(|| self.split.clone())
    }
}

/// Lists the families of a text, and renders it into families as if it were the only one. The arguments are those of
/// [`render`](crate::exposition::render).
pub fn prepare(
    source: &Source<'_>,
    policy: &Policy,
    facts: &Facts,
    target: Target,
    omit: &[u32],
) -> Prepared {
    let table = Table::build(source, policy, facts, target, omit);
    let outline = outline_of(&table);
    let split = split_table(&table, source.text, &Plan::new([&outline]));
    Prepared { outline, split }
}

/// Renders a text into families. The arguments are those of [`prepare`], whose outline must be part of the plan.
pub fn split(
    source: &Source<'_>,
    policy: &Policy,
    facts: &Facts,
    target: Target,
    omit: &[u32],
    plan: &Plan,
) -> Split {
    split_table(&Table::build(source, policy, facts, target, omit), source.text, plan)
}

fn split_table(table: &Table<'_>, text: &[u8], plan: &Plan) -> Split {
    let mut packer = Packer::default();
    for (name, family) in families(table, plan) {
        let mut lines = Vec::new();
        let mut is_first = true;
        for piece in &family.pieces {
            write_line(table, text, piece, family.shape, &mut lines);
            if lines.len() >= CHUNK_LEN {
                packer.add(&name, &family, is_first, &lines);
                is_first = false;
                lines.clear();
            }
        }
        if !lines.is_empty() {
            packer.add(&name, &family, is_first, &lines);
        }
    }
    packer.finish()
}

/// Renders a single text family by family, in the order of their first samples.
pub(in crate::exposition) fn render_one(
    source: &Source<'_>,
    policy: &Policy,
    facts: &Facts,
    target: Target,
    omit: &[u32],
    out: &mut Vec<u8>,
) {
    let table = Table::build(source, policy, facts, target, omit);
    let plan = Plan::new([&outline_of(&table)]);
    let mut families: Vec<_> = families(&table, &plan).into_iter().collect();
    families.sort_by_key(|(_, family)| family.pieces.iter().map(|piece| piece.start).min());
    for (name, family) in families {
        if family.is_declared || target.format == Format::OpenMetrics1 {
            write_head(target, &name, family.kind, family.help.as_deref(), family.unit, out);
        }
        for piece in &family.pieces {
            write_line(&table, source.text, piece, family.shape, out);
        }
    }
}

/// A text as families, in compressed chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub(super) chunks: Vec<Bytes>,
}

impl Split {
    /// Returns the number of bytes that it holds.
    pub fn held(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

/// A family as it is written.
struct Output<'t> {
    kind: MetricKind,
    /// Whether the text has metadata for it.
    is_declared: bool,
    /// Plain.
    help: Option<Cow<'t, [u8]>>,
    unit: Option<&'t [u8]>,
    pieces: Vec<Piece>,
    shape: Shape,
}

/// The families to write, by name.
fn families<'t>(table: &'t Table<'_>, plan: &Plan) -> BTreeMap<Vec<u8>, Output<'t>> {
    let mut outputs: BTreeMap<Vec<u8>, Output<'t>> = BTreeMap::new();
    for (family, pieces) in table.by_family() {
        for part in parts(table, family, pieces) {
            let kind = plan.kind(part.hash(table), part.kind, part.is_structured);
            let is_whole = kind.is_some();
            for piece in pieces.iter().filter(|piece| part.names.contains(&piece.name)) {
                let name = match is_whole {
                    true => part.key.clone(),
                    false => key(&table.sample_name(family, piece.name)),
                };
                let hash = table.writer.series.hash(&name);
                let output = outputs.entry(name).or_insert_with(|| {
                    let kind = kind.or_else(|| plan.kind(hash, MetricKind::Unknown, false));
                    table.output(family, kind.unwrap_or_default(), is_whole && part.is_structured)
                });
                output.pieces.push(*piece);
            }
        }
    }
    outputs
}

/// A part of a text's family that becomes a family of its own.
struct Part {
    /// The name as written.
    key: Vec<u8>,
    kind: MetricKind,
    is_structured: bool,
    /// Which of the family's names belong to it.
    names: Vec<u32>,
}

impl Part {
    fn hash(&self, table: &Table<'_>) -> u64 {
        table.writer.series.hash(&self.key)
    }
}

/// The parts of a family, considered on its own.
fn parts(table: &Table<'_>, family: &Family<'_>, pieces: &[Piece]) -> Vec<Part> {
    let format = table.writer.target.format;
    let of_name = |name: u32, kind| Part {
        key: key(&table.sample_name(family, name)),
        kind,
        is_structured: false,
        names: vec![name],
    };
    let all = 0..u32::try_from(family.names.len()).unwrap_or(u32::MAX);
    let is_conforming = conforms(family, pieces, format);
    let is_structured = is_conforming && is_structured(family.kind, format);
    if !is_structured {
        let simple = |name| of_name(name, simple_kind(family, name, is_conforming, format));
        return all.map(simple).collect();
    }
    let is_apart = |name: &u32| {
        let name = family.names.get(*name as usize);
        format == Format::Text004
            && name.is_some_and(|name| name.ends_with(b"_created"))
            && name.is_some_and(|name| **name != *family.name)
    };
    let (apart, names): (Vec<_>, Vec<_>) = all.partition(is_apart);
    let stem = table.writer.written_plain(stem(family, format).into(), is_metric);
    let whole = Part { key: key(&stem), kind: family.kind, is_structured, names };
    let apart = apart.into_iter().map(|name| of_name(name, MetricKind::Gauge));
    std::iter::once(whole).chain(apart).collect()
}

/// Whether samples of a type must stay together and have certain names.
fn is_structured(kind: MetricKind, format: Format) -> bool {
    match format {
        Format::OpenMetrics1 => !matches!(kind, MetricKind::Gauge | MetricKind::Unknown),
        Format::Text004 => matches!(kind, MetricKind::Histogram | MetricKind::Summary),
    }
}

/// The type of the samples of one name if the family has no structure.
fn simple_kind(family: &Family<'_>, name: u32, is_conforming: bool, format: Format) -> MetricKind {
    let Some(name) = family.names.get(name as usize) else { return MetricKind::Unknown };
    let suffix = name.strip_prefix(&*family.name).unwrap_or_default();
    match (format, family.kind, suffix) {
        (Format::Text004, MetricKind::Counter, b"_created") => MetricKind::Gauge,
        (Format::Text004, MetricKind::Counter, _) => MetricKind::Counter,
        (Format::Text004, MetricKind::Info | MetricKind::StateSet, _) => MetricKind::Gauge,
        (_, MetricKind::Gauge, _) => MetricKind::Gauge,
        (Format::Text004, MetricKind::Histogram | MetricKind::Summary, _) if is_conforming => {
            family.kind
        }
        (_, _, b"_created") => MetricKind::Gauge,
        _ => MetricKind::Unknown,
    }
}

fn outline_of(table: &Table<'_>) -> Outline {
    let hash = |bytes: &[u8]| table.writer.series.hash(bytes);
    let format = table.writer.target.format;
    let mut outline = Outline::default();
    for (family, pieces) in table.by_family() {
        for part in parts(table, family, pieces) {
            let names = part.names.iter();
            let names = names.map(|name| hash(&key(&table.sample_name(family, *name)))).collect();
            let mut item = Item {
                name: part.hash(table),
                kind: part.kind,
                is_structured: part.is_structured,
                names,
                claims: Vec::new(),
                groups: Vec::new(),
            };
            if part.is_structured {
                // Text 0.0.4 has a separate family for times of creation.
                let is_text = format == Format::Text004;
                let suffixes = suffixes(family.kind).iter();
                let suffixes = suffixes.filter(|suffix| !is_text || **suffix != b"_created");
                let stem = stem(family, format);
                let claim = |suffix: &&[u8]| {
                    let name = [stem, suffix].concat();
                    hash(&key(&table.writer.written_plain(name.into(), is_metric)))
                };
                item.claims = suffixes.map(claim).collect();
            }
            if part.is_structured && format == Format::OpenMetrics1 {
                item.groups = pieces
                    .chunk_by(|one, other| one.group == other.group)
                    .filter_map(|group| Some(group.first()?.group))
                    .collect();
            }
            outline.families.push(item);
        }
    }
    outline
}

/// The suffixes of names that no other family may have.
fn suffixes(kind: MetricKind) -> &'static [&'static [u8]] {
    match kind {
        MetricKind::Counter => &[b"_total", b"_created"],
        MetricKind::GaugeHistogram => &[b"_bucket", b"_gcount", b"_gsum"],
        MetricKind::Histogram => &[b"_bucket", b"_count", b"_sum", b"_created"],
        MetricKind::Info => &[b"_info"],
        MetricKind::Summary => &[b"_count", b"_sum", b"_created"],
        MetricKind::Gauge | MetricKind::StateSet | MetricKind::Unknown => &[],
    }
}

impl<'a> Table<'a> {
    /// A name as written.
    fn sample_name(&self, family: &Family<'a>, name: u32) -> Written<'a> {
        let name = family.names.get(name as usize).cloned().unwrap_or_default();
        self.writer.written_plain(name, is_metric)
    }

    fn output<'t>(
        &'t self,
        family: &'t Family<'a>,
        kind: MetricKind,
        is_whole: bool,
    ) -> Output<'t> {
        let is_open_metrics = self.writer.target.format == Format::OpenMetrics1;
        let bound: Option<&'static [u8]> = match kind {
            MetricKind::Histogram | MetricKind::GaugeHistogram => Some(b"le"),
            MetricKind::Summary => Some(b"quantile"),
            _ => None,
        };
        Output {
            kind,
            is_declared: family.is_declared,
            help: family.help.map(|help| plain_help(help, self.writer.source)),
            unit: family.unit.filter(|unit| is_whole && is_open_metrics && !unit.is_empty()),
            pieces: Vec::new(),
            shape: Shape {
                bound: bound.filter(|_| is_whole && is_open_metrics),
                may_have_exemplar: is_whole
                    && is_open_metrics
                    && self.writer.source == Dialect::OpenMetrics
                    && matches!(
                        kind,
                        MetricKind::Counter | MetricKind::Histogram | MetricKind::GaugeHistogram
                    ),
            },
        }
    }
}

/// A written name as a key: in quotes if it is written so.
fn key(name: &Written<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    name.write(&mut key);
    key
}

/// Reads a line again and writes it.
fn write_line(table: &Table<'_>, text: &[u8], piece: &Piece, shape: Shape, out: &mut Vec<u8>) {
    let line = text.get(piece.start..piece.end).unwrap_or_default();
    let mut reader = Reader::new(line, table.writer.source, true, &Limits::default());
    if let Some(Ok(line)) = reader.next()
        && let Entry::Sample(sample) = line.entry
    {
        table.writer.sample(&sample, reader.labels(), shape, out);
    }
}

/// Writes `HELP`, `TYPE` and `UNIT`. `name` is as written, `help` is plain.
pub(super) fn write_head(
    target: Target,
    name: &[u8],
    kind: MetricKind,
    help: Option<&[u8]>,
    unit: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    if let Some(help) = help {
        out.extend_from_slice(b"# HELP ");
        out.extend_from_slice(name);
        out.push(b' ');
        write_help(help, target.format, out);
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    out.extend_from_slice(name);
    out.push(b' ');
    out.extend_from_slice(match target.format {
        Format::OpenMetrics1 => kind.open_metrics_name(),
        Format::Text004 => kind.text_name(),
    });
    out.push(b'\n');
    // An escaped name may no longer end with the unit.
    let is_unit = |unit: &&[u8]| name.strip_suffix(*unit).is_some_and(|stem| stem.ends_with(b"_"));
    let has_unit = !matches!(kind, MetricKind::Info | MetricKind::StateSet);
    if let Some(unit) = unit.filter(is_unit).filter(|_| has_unit) {
        out.extend_from_slice(b"# UNIT ");
        out.extend_from_slice(name);
        out.push(b' ');
        out.extend_from_slice(unit);
        out.push(b'\n');
    }
}

impl MetricKind {
    fn open_metrics_name(self) -> &'static [u8] {
        match self {
            Self::Counter => b"counter",
            Self::Gauge => b"gauge",
            Self::GaugeHistogram => b"gaugehistogram",
            Self::Histogram => b"histogram",
            Self::Info => b"info",
            Self::StateSet => b"stateset",
            Self::Summary => b"summary",
            Self::Unknown => b"unknown",
        }
    }
}

/// Resolves the escapes of a help text.
fn plain_help(text: &[u8], dialect: Dialect) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return text.into();
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'"', after @ ..]) if dialect == Dialect::OpenMetrics => (b'"', after),
            _ => (byte, after),
        };
        plain.push(byte);
        rest = after;
    }
    plain.into()
}

fn write_help(plain: &[u8], format: Format, out: &mut Vec<u8>) {
    for &byte in plain {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if format == Format::OpenMetrics1 => out.extend_from_slice(b"\\\""),
            _ => out.push(byte),
        }
    }
}

/// Packs records of families into chunks.
#[derive(Default)]
struct Packer {
    split: Split,
    chunk: Vec<u8>,
}

impl Packer {
    fn add(&mut self, name: &[u8], family: &Output<'_>, is_first: bool, lines: &[u8]) {
        let help = family.help.as_deref().filter(|_| is_first);
        let unit = family.unit.filter(|_| is_first);
        super::merge::Record { name, kind: family.kind, help, unit, lines }.write(&mut self.chunk);
        if self.chunk.len() >= CHUNK_LEN {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        self.split.chunks.push(crate::envelope::compress(&self.chunk));
        self.chunk.clear();
    }

    fn finish(mut self) -> Split {
        if !self.chunk.is_empty() {
            self.end_chunk();
        }
        self.split
    }
}

/// The length in bytes from which a chunk is closed.
const CHUNK_LEN: usize = 16 << 10;
