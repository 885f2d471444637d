use super::error::Fault;
use super::reader::{Dialect, Entry, Label, Line, MetricKind, Name, Reader, Sample};
use super::series::{Memory, Series};
use super::{
    Escaping, ExpositionError, ExpositionErrorKind as Kind, Format, OnBadLine, Policy, Source,
    Target,
};
use crate::labels::Labels;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What is known about a text after reading it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// The format of the text.
    pub format: SourceFormat,
    /// The number of samples that are served. Indexes of samples count from 0.
    pub samples: usize,
    /// The number of families that are served, counted as `TYPE` lines.
    pub families: usize,
    /// The number of samples with a timestamp of their own. Their series do not go stale when a scrape lacks them.
    pub timestamped: usize,
    /// Whether a scraper of text 0.0.4 that accepts UTF-8 names can get the text verbatim, except for a line feed at its end.
    pub is_verbatim: bool,
    /// Whether a metric or label has a quoted name, which only a scraper that accepts UTF-8 names can read.
    pub has_utf8_names: bool,
    /// The labels in [`Policy::identity_labels`] that every sample has with the same value.
    pub identity: Labels,
    /// The fingerprint of each sample's series, with the identity labels added.
    pub fingerprints: Vec<u64>,
    /// What was left out; `None` if nothing was.
    pub reduced: Option<Reduced>,
    /// Plain names of families that were left out.
    pub(super) dropped: BTreeSet<Box<[u8]>>,
    pub(super) is_utf8: bool,
}

impl Facts {
    /// Whether [`render`](super::render) would write the text verbatim, except for a line feed at its end.
    pub fn is_verbatim_for(&self, target: Target, omit: &[u32]) -> bool {
        self.is_verbatim
            && omit.is_empty()
            && target.format == Format::Text004
            && (target.escaping == Escaping::AllowUtf8 || !self.has_utf8_names)
    }

    /// A reader that repeats what [`read`] has read.
    pub(super) fn reader<'a>(&self, text: &'a [u8], policy: &Policy) -> Reader<'a> {
        Reader::new(text, self.dialect(), self.is_utf8, &policy.limits)
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.format {
            SourceFormat::OpenMetrics => Dialect::OpenMetrics,
            SourceFormat::Text004 => Dialect::Text,
        }
    }
}

/// The format of an application's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    #[default]
    Text004,
}

/// What was left out of a text: families with [reserved](Policy::reserved) names and, with [`OnBadLine::DropFamily`], families with bad lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reduced {
    /// The number of lines that were left out: bad lines, and those of their families.
    pub lines: usize,
    /// The number of families that were left out.
    pub families: usize,
    /// The first bad line or reserved name.
    pub first: ExpositionError,
}

/// Reads a text once, in the format of [`source_format`].
///
/// # Errors
///
/// Those of [`read_as`].
pub fn read(source: &Source<'_>, policy: &Policy) -> Result<Facts, ExpositionError> {
    read_as(source_format(source.text), source, policy)
}

/// Reads a text once. A text in `format` OpenMetrics that is not valid OpenMetrics is read as 0.0.4.
///
/// # Errors
///
/// The first fault, if [`Policy::on_bad_line`] is [`OnBadLine::DropApplication`]; with either policy, a limit that concerns the
/// whole text. Reserved names are not an error: their families are left out.
pub fn read_as(
    format: SourceFormat,
    source: &Source<'_>,
    policy: &Policy,
) -> Result<Facts, ExpositionError> {
    let text = source.text;
    let fail = |fault| ExpositionError::at(text, fault);
    if text.len() > policy.limits.max_text_len {
        let kind = Kind::TextTooLong { len: text.len(), limit: policy.limits.max_text_len };
        return Err(fail(Fault { position: 0, kind }));
    }
    let is_utf8 = std::str::from_utf8(text).is_ok();
    let scan = |dialect| match Scan::run(source, policy, dialect, is_utf8)? {
        Scan { reserved: Some(first), .. } => {
            Reduction::run(source, policy, dialect, is_utf8, first)
        }
        scan => Ok(scan.finish()),
    };
    let open_metrics = if format == SourceFormat::OpenMetrics {
        match scan(Dialect::OpenMetrics) {
            Ok(facts) => return Ok(facts),
            Err(fault) => Some(fault),
        }
    } else {
        None
    };
    let fault = match scan(Dialect::Text) {
        Ok(facts) => return Ok(facts),
        Err(fault) => fault,
    };
    // The format in which more of the text could be read is the likelier one.
    let open_metrics = open_metrics.filter(|other| other.position >= fault.position);
    let fault = open_metrics.unwrap_or(fault);
    if policy.on_bad_line == OnBadLine::DropApplication || fault.kind.is_of_the_text() {
        return Err(fail(fault));
    }
    let dialect = if open_metrics.is_some() { Dialect::OpenMetrics } else { Dialect::Text };
    Reduction::run(source, policy, dialect, is_utf8, fault).map_err(fail)
}

/// The format of a text: OpenMetrics must end in `# EOF`, which is only a comment in 0.0.4.
pub fn source_format(text: &[u8]) -> SourceFormat {
    match ends_in_eof(text) {
        true => SourceFormat::OpenMetrics,
        false => SourceFormat::Text004,
    }
}

/// Whether `# EOF` is the last line.
fn ends_in_eof(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"# EOF").is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
}

/// Reads a text and gathers its facts.
struct Scan<'a, 'p> {
    policy: &'p Policy,
    series: Series<'a>,
    memory: Memory<'a>,
    facts: Facts,
    identity: Vec<Constant<'a, 'p>>,
    /// Where the `# EOF` line of an OpenMetrics text ends.
    eof: Option<usize>,
    /// The first reserved name.
    reserved: Option<Fault>,
    /// The last metric name, and whether it is reserved.
    last_name: (&'a [u8], bool),
}

impl<'a, 'p> Scan<'a, 'p> {
    fn new(source: &Source<'a>, policy: &'p Policy, dialect: Dialect) -> Self {
        let format = match dialect {
            Dialect::OpenMetrics => SourceFormat::OpenMetrics,
            Dialect::Text => SourceFormat::Text004,
        };
        Self {
            policy,
            series: Series::new(source),
            memory: Memory::default(),
            facts: Facts { format, is_verbatim: dialect == Dialect::Text, ..Facts::default() },
            identity: policy.identity_labels.iter().map(|name| Constant::new(name)).collect(),
            eof: None,
            reserved: None,
            last_name: (&[], false),
        }
    }

    /// Reads a text to its first fault. Skips reserved names.
    fn run(
        source: &Source<'a>,
        policy: &'p Policy,
        dialect: Dialect,
        is_utf8: bool,
    ) -> Result<Self, Fault> {
        let mut scan = Self::new(source, policy, dialect);
        scan.facts.is_utf8 = is_utf8;
        let mut reader = Reader::new(source.text, dialect, is_utf8, &policy.limits);
        while let Some(line) = reader.next() {
            match &line {
                Ok(line) => scan.add(line, reader.labels())?,
                Err(fault) => return Err(*fault),
            }
        }
        Ok(scan)
    }

    fn add(&mut self, line: &Line<'a>, labels: &[Label<'a>]) -> Result<(), Fault> {
        let fault = |kind| Fault { position: line.start, kind };
        if let Some(position) = self.eof.filter(|_| self.facts.format == SourceFormat::OpenMetrics)
        {
            return Err(Fault {
                position,
                kind: Kind::Expected("the end of the text behind # EOF"),
            });
        }
        self.facts.is_verbatim &= line.is_clean;
        if let Some(name) = line.entry.name() {
            self.facts.has_utf8_names |= name.is_quoted;
            if self.is_reserved(name) {
                self.reserved.get_or_insert_with(|| fault(Kind::MetricNameReserved));
                return Ok(());
            }
        }
        match &line.entry {
            Entry::Comment | Entry::Help { .. } | Entry::Unit { .. } => {}
            Entry::Eof => self.eof = Some(line.end),
            Entry::Sample(sample) => {
                if self.facts.samples == self.policy.limits.max_series {
                    return Err(fault(Kind::TooManySeries { limit: self.facts.samples }));
                }
                self.add_sample(sample, labels);
            }
            Entry::Type { .. } => {
                if self.facts.families == self.policy.limits.max_families {
                    return Err(fault(Kind::TooManyFamilies { limit: self.facts.families }));
                }
                self.facts.families += 1;
            }
        }
        Ok(())
    }

    /// The name is usually that of the line before.
    fn is_reserved(&mut self, name: &Name<'a>) -> bool {
        if !std::ptr::eq(self.last_name.0, name.text.raw) {
            self.last_name = (name.text.raw, self.policy.reserved.contains(name));
        }
        self.last_name.1
    }

    fn add_sample(&mut self, sample: &Sample<'a>, labels: &[Label<'a>]) {
        let facts = &mut self.facts;
        facts.samples += 1;
        facts.timestamped += usize::from(sample.timestamp.is_some());
        let seen = self.series.see(&sample.name, labels, &mut self.memory);
        facts.fingerprints.push(seen.fingerprint);
        facts.is_verbatim &= !seen.is_changed;
        facts.has_utf8_names |= seen.has_utf8_names;
        for constant in &mut self.identity {
            constant.see(labels);
        }
    }

    fn finish(mut self) -> Facts {
        // They are kept as long as the answer.
        self.facts.fingerprints.shrink_to_fit();
        let found = self.identity.iter().filter_map(Constant::found);
        let labels = found.filter(|(name, value)| Labels::new([(*name, &**value)]).is_ok());
        self.facts.identity = Labels::new(labels).unwrap_or_default();
        self.facts
    }
}

impl<'a> Entry<'a> {
    pub(super) fn name(&self) -> Option<&Name<'a>> {
        match self {
            Entry::Comment | Entry::Eof => None,
            Entry::Help { name, .. } | Entry::Type { name, .. } | Entry::Unit { name, .. } => {
                Some(name)
            }
            Entry::Sample(sample) => Some(&sample.name),
        }
    }
}

/// A label that may have the same value in all samples.
struct Constant<'a, 'p> {
    name: &'p str,
    value: Option<Cow<'a, [u8]>>,
    /// The index of the label in the last sample, and its place in the text.
    last: (usize, usize),
    is_refuted: bool,
}

impl<'a, 'p> Constant<'a, 'p> {
    fn new(name: &'p str) -> Self {
        Self { name, value: None, last: (0, 0), is_refuted: false }
    }

    fn see(&mut self, labels: &[Label<'a>]) {
        if self.is_refuted {
            return;
        }
        if self.value.is_some()
            && labels.get(self.last.0).is_some_and(|label| label.start == self.last.1)
        {
            return;
        }
        let is_it = |label: &Label<'a>| label.name.text.raw == self.name.as_bytes();
        let position = labels.iter().position(is_it);
        let label = position.and_then(|position| labels.get(position));
        self.last = (position.unwrap_or_default(), label.map_or(0, |label| label.start));
        let value = label.map(Label::plain_value);
        match (&self.value, value) {
            (None, Some(value)) => self.value = Some(value),
            (Some(one), Some(other)) if *one == other => {}
            (_, _) => self.is_refuted = true,
        }
    }

    fn found(&self) -> Option<(&'p str, Box<str>)> {
        let value = self.value.as_ref().filter(|_| !self.is_refuted)?;
        Some((self.name, std::str::from_utf8(value).ok()?.into()))
    }
}

/// Reads a text that has bad lines or reserved names, and leaves out their families.
struct Reduction<'a> {
    dialect: Dialect,
    kinds: BTreeMap<Box<[u8]>, MetricKind>,
    dropped: BTreeSet<Box<[u8]>>,
    last: Option<Cow<'a, [u8]>>,
}

impl<'a> Reduction<'a> {
    fn run(
        source: &Source<'a>,
        policy: &Policy,
        dialect: Dialect,
        is_utf8: bool,
        first: Fault,
    ) -> Result<Facts, Fault> {
        let mut reduction =
            Self { dialect, kinds: BTreeMap::new(), dropped: BTreeSet::new(), last: None };
        reduction.find(source, policy, dialect, is_utf8);
        reduction.read(source, policy, dialect, is_utf8, first)
    }

    /// Finds the families of bad lines. Names are resolved at the end, when all types are known.
    fn find(&mut self, source: &Source<'a>, policy: &Policy, dialect: Dialect, is_utf8: bool) {
        let mut reader = Reader::new(source.text, dialect, is_utf8, &policy.limits);
        let mut bad: Vec<Cow<'a, [u8]>> = Vec::new();
        while let Some(line) = reader.next() {
            let name = reader.name();
            let is_reserved = name.is_some_and(|name| policy.reserved.contains(&name));
            let name = name.map(|name| name.plain());
            if let (Ok(Line { entry: Entry::Type { kind, .. }, .. }), Some(name)) = (&line, &name) {
                self.kinds.entry(name.as_ref().into()).or_insert(*kind);
            }
            if line.is_err() || is_reserved {
                bad.extend(name.or_else(|| self.last.clone()));
            } else if name.is_some() {
                self.last = name;
            }
        }
        for name in bad {
            let family = self.family(&name).into();
            self.dropped.insert(family);
        }
    }

    fn family<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        family_of(name, self.dialect, |name| self.kinds.get(name).copied())
    }

    fn read(
        self,
        source: &Source<'a>,
        policy: &Policy,
        dialect: Dialect,
        is_utf8: bool,
        first: Fault,
    ) -> Result<Facts, Fault> {
        let mut scan = Scan::new(source, policy, dialect);
        scan.facts.is_utf8 = is_utf8;
        let mut reader = Reader::new(source.text, dialect, is_utf8, &policy.limits);
        let mut lines = 0;
        while let Some(line) = reader.next() {
            let Ok(line) = line else {
                lines += 1;
                continue;
            };
            let name = line.entry.name().map(|name| name.plain());
            if name.is_some_and(|name| self.dropped.contains(self.family(&name))) {
                lines += 1;
                continue;
            }
            scan.add(&line, reader.labels())?;
        }
        let mut facts = scan.finish();
        facts.is_verbatim = false;
        let first = ExpositionError::at(source.text, first);
        facts.reduced = Some(Reduced { lines, families: self.dropped.len(), first });
        facts.dropped = self.dropped;
        Ok(facts)
    }
}

/// The family of a sample: its own name, or the name without a suffix if there is such a family of the right type.
pub(super) fn family_of(
    name: &[u8],
    dialect: Dialect,
    kind: impl Fn(&[u8]) -> Option<MetricKind>,
) -> &[u8] {
    let suffixes = match dialect {
        Dialect::OpenMetrics => SUFFIXES,
        Dialect::Text => SUFFIXES.get(..3).unwrap_or_default(),
    };
    let owner = suffixes.iter().find_map(|(suffix, kinds)| {
        let stem = name.strip_suffix(*suffix)?;
        kind(stem).filter(|kind| kinds.contains(kind)).map(|_| stem)
    });
    owner.unwrap_or(name)
}

/// The suffixes of the samples of a family, and the types that have them. Text 0.0.4 has the first three.
const SUFFIXES: &[(&[u8], &[MetricKind])] = &[
    (b"_bucket", &[MetricKind::Histogram, MetricKind::GaugeHistogram]),
    (b"_count", &[MetricKind::Histogram, MetricKind::Summary]),
    (b"_sum", &[MetricKind::Histogram, MetricKind::Summary]),
    (b"_total", &[MetricKind::Counter]),
    (b"_created", &[MetricKind::Counter, MetricKind::Histogram, MetricKind::Summary]),
    (b"_info", &[MetricKind::Info]),
    (b"_gcount", &[MetricKind::GaugeHistogram]),
    (b"_gsum", &[MetricKind::GaugeHistogram]),
];
