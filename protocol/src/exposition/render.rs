use super::cursor::is_metric;
use super::facts::family_of;
use super::reader::{Entry, Line, MetricKind, Name, Reader};
use super::series::Series;
use super::write::{Shape, Writer};
use super::{
    Escaping, ExpositionError, Facts, Format, Inject, Policy, ReservedNames, Source, SourceFormat,
    Target, read,
};
use crate::labels::Labels;
use memchr::memchr;
use std::collections::BTreeMap;

/// Appends a text as a scraper accepts it, with identity labels, and without the samples in `omit`, whose indexes are in ascending order.
///
/// `source` and `policy` must be those that [`read`](super::read) made `facts` from. From text 0.0.4 to text 0.0.4, lines keep
/// their places, and only lines that must change do. Between the formats, and to OpenMetrics, families are brought together
/// with one `HELP` and one `TYPE` each, and a series that occurs more than once is written once. `# EOF` is not written: the
/// caller ends an OpenMetrics answer with it.
pub fn render(
    source: &Source<'_>,
    policy: &Policy,
    facts: &Facts,
    target: Target,
    omit: &[u32],
    out: &mut Vec<u8>,
) {
    out.reserve(source.text.len() + 1);
    if facts.is_verbatim_for(target, omit) {
        out.extend_from_slice(source.text);
        end_line(out);
        return;
    }
    if facts.format == SourceFormat::Text004 && target.format == Format::Text004 {
        TextToText::new(source, policy, facts, target).run(source.text, omit, out);
        return;
    }
    super::group::render_one(source, policy, facts, target, omit, out);
}

/// Converts a text of OpenMetrics or 0.0.4 to text 0.0.4, for peers that read nothing else, such as the original proxy. Types that 0.0.4 does not
/// have become those that Prometheus itself makes of them; exemplars and units are left out. Names in UTF-8 stay.
///
/// # Errors
///
/// The first line that Prometheus would refuse.
pub fn to_text004(text: &[u8]) -> Result<Vec<u8>, ExpositionError> {
    let labels = Labels::default();
    let source = Source { text, identity: &labels, inject: Inject::Never, seed: 0 };
    // The proxy that serves the text decides which names are reserved.
    let policy = Policy { reserved: ReservedNames::none(), ..Policy::default() };
    let facts = read(&source, &policy)?;
    let target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    let mut out = Vec::new();
    render(&source, &policy, &facts, target, &[], &mut out);
    Ok(out)
}

struct TextToText<'a, 'p> {
    writer: Writer<'a>,
    facts: &'p Facts,
    policy: &'p Policy,
    kinds: BTreeMap<Box<[u8]>, MetricKind>,
}

impl<'a, 'p> TextToText<'a, 'p> {
    fn new(source: &Source<'a>, policy: &'p Policy, facts: &'p Facts, target: Target) -> Self {
        let mut this = Self {
            writer: Writer { target, source: facts.dialect(), series: Series::new(source) },
            facts,
            policy,
            kinds: BTreeMap::new(),
        };
        if !facts.dropped.is_empty() {
            this.kinds = kinds(source.text, facts, policy);
        }
        this
    }

    fn run(&self, text: &'a [u8], omit: &[u32], out: &mut Vec<u8>) {
        let mut reader = self.facts.reader(text, self.policy);
        let mut omit = omit.iter().copied().peekable();
        let mut index = 0;
        // Lines that stay unchanged and are not written yet.
        let mut kept = 0..0;
        while let Some(line) = reader.next() {
            let Ok(line) = line else { continue };
            if self.is_dropped(&line) {
                continue;
            }
            let is_sample = matches!(line.entry, Entry::Sample(_));
            let is_omitted = is_sample && omit.next_if_eq(&index).is_some();
            index += u32::from(is_sample);
            if is_omitted {
                continue;
            }
            if line.is_clean && !self.changes(&line, &reader) {
                if kept.end == line.start {
                    kept.end = line.end;
                    continue;
                }
                out.extend_from_slice(text.get(kept).unwrap_or_default());
                kept = line.start..line.end;
                continue;
            }
            out.extend_from_slice(text.get(kept).unwrap_or_default());
            kept = line.end..line.end;
            self.write(&line, &reader, out);
        }
        out.extend_from_slice(text.get(kept).unwrap_or_default());
        end_line(out);
    }

    fn is_dropped(&self, line: &Line<'_>) -> bool {
        if self.facts.dropped.is_empty() {
            return false;
        }
        let Some(name) = line.entry.name() else { return false };
        let name = name.plain();
        self.facts
            .dropped
            .contains(family_of(&name, self.facts.dialect(), |name| self.kinds.get(name).copied()))
    }

    /// Whether the line must change for the target.
    fn changes(&self, line: &Line<'_>, reader: &Reader<'_>) -> bool {
        let escapes = self.writer.target.escaping == Escaping::Underscores;
        let Some(name) = line.entry.name() else { return false };
        if escapes && name.is_quoted {
            return true;
        }
        matches!(line.entry, Entry::Sample(_))
            && (self.writer.series.changes(reader.labels())
                || escapes && reader.labels().iter().any(|label| label.name.is_quoted))
    }

    fn write(&self, line: &Line<'_>, reader: &Reader<'_>, out: &mut Vec<u8>) {
        match &line.entry {
            Entry::Comment | Entry::Eof | Entry::Unit { .. } => {}
            Entry::Help { name, text } => {
                self.metadata(b"# HELP ", name, out);
                if !text.is_empty() {
                    out.push(b' ');
                    write_help(text, out);
                }
                out.push(b'\n');
            }
            Entry::Sample(sample) => {
                self.writer.sample(sample, reader.labels(), Shape::default(), out);
            }
            Entry::Type { name, kind } => {
                self.metadata(b"# TYPE ", name, out);
                out.push(b' ');
                out.extend_from_slice(kind.text_name());
                out.push(b'\n');
            }
        }
    }

    fn metadata(&self, keyword: &[u8], name: &Name<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(keyword);
        self.writer.written(name, is_metric).write(out);
    }
}

impl MetricKind {
    /// The type's name in the text format.
    pub(super) fn text_name(self) -> &'static [u8] {
        match self {
            Self::Counter => b"counter",
            Self::Gauge | Self::Info | Self::StateSet => b"gauge",
            Self::Histogram => b"histogram",
            Self::Summary => b"summary",
            Self::GaugeHistogram | Self::Unknown => b"untyped",
        }
    }
}

/// The types of a text's families. If a family has several, the first counts.
pub(super) fn kinds(
    text: &[u8],
    facts: &Facts,
    policy: &Policy,
) -> BTreeMap<Box<[u8]>, MetricKind> {
    let mut kinds = BTreeMap::new();
    let mut reader = facts.reader(text, policy);
    while let Some(line) = reader.next() {
        if let Ok(Line { entry: Entry::Type { name, kind }, .. }) = line {
            kinds.entry(name.plain().as_ref().into()).or_insert(kind);
        }
    }
    kinds
}

/// Writes a help text of 0.0.4 so that strict parsers read it, too: a backslash that begins no escape is escaped.
fn write_help(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(len) = memchr(b'\\', rest) {
        let (before, escape) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        rest = match escape {
            [b'\\', escape @ (b'\\' | b'n'), after @ ..] => {
                out.extend_from_slice(&[b'\\', *escape]);
                after
            }
            [_, after @ ..] => {
                out.extend_from_slice(b"\\\\");
                after
            }
            [] => &[],
        };
    }
    out.extend_from_slice(rest);
}

pub(super) fn end_line(out: &mut Vec<u8>) {
    if out.last().is_some_and(|&last| last != b'\n') {
        out.push(b'\n');
    }
}
