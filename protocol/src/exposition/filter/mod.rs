//! Leaves out families, labels and help texts at the source, so that they are never sent.

mod pattern;
#[cfg(test)]
mod tests;

pub use self::pattern::{Pattern, PatternError};

use super::facts::family_of;
use super::reader::{Dialect, Entry, Label, Line, MetricKind, Name, Reader};
use super::render::{end_line, kinds};
use super::series::Series;
use super::write::{Shape, Writer};
use super::{
    Escaping, ExpositionError, Format, Inject, Policy, ReservedNames, Source, Target, read,
};
use crate::labels::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// What is left out of a text. By default, nothing.
///
/// ```
/// use prometheus_rsocket_protocol::exposition::filter::Filter;
///
/// let mut filter = Filter::default();
/// filter.deny("go_*".parse()?)?;
/// filter.drop_label("pod")?;
/// let filtered = filter.apply("go_threads 7\njobs{pod=\"a\"} 1\njobs{pod=\"b\"} 2\n")?;
/// assert_eq!(filtered.text, "jobs 1\n");
/// assert_eq!((filtered.families, filtered.series, filtered.duplicates), (1, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    drop_labels: BTreeSet<Box<str>>,
    is_without_help: bool,
}

/// A filtered text, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filtered {
    /// The remaining text, in its original format.
    pub text: String,
    /// The number of families left out by their names.
    pub families: usize,
    /// The number of their samples.
    pub series: usize,
    /// The number of samples left out because, without the dropped labels, an earlier sample has the same labels. Of a
    /// duplicate histogram or summary, all samples are left out.
    pub duplicates: usize,
}

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The label distinguishes the parts of a histogram or summary.
    #[error("the label {0} cannot be dropped: it tells the parts of a histogram or summary apart")]
    Bound(Box<str>),
    /// The text is not the name of a label.
    #[error("{0:?} is not the name of a label")]
    Name(Box<str>),
    /// There are already [`Filter::MAX`] of a kind.
    #[error("more than {} of them", Filter::MAX)]
    TooMany,
}

impl Filter {
    /// The maximum number of patterns in a list, and of labels.
    pub const MAX: usize = 256;

    /// Keeps only families with matching names. Several patterns add up.
    ///
    /// # Errors
    ///
    /// If there are [`Filter::MAX`] allowed patterns.
    pub fn allow(&mut self, pattern: Pattern) -> Result<(), FilterError> {
        push(&mut self.allow, pattern)
    }

    /// Leaves out families with matching names, even if they are allowed.
    ///
    /// # Errors
    ///
    /// If there are [`Filter::MAX`] denied patterns.
    pub fn deny(&mut self, pattern: Pattern) -> Result<(), FilterError> {
        push(&mut self.deny, pattern)
    }

    /// Drops a label from all series. Labels of exemplars stay.
    ///
    /// # Errors
    ///
    /// If the name is `le`, `quantile`, `__name__` or empty, or if there are [`Filter::MAX`] labels.
    pub fn drop_label(&mut self, name: &str) -> Result<(), FilterError> {
        if matches!(name, "le" | "quantile") {
            return Err(FilterError::Bound(name.into()));
        }
        if name.is_empty() || name == "__name__" {
            return Err(FilterError::Name(name.into()));
        }
        if self.drop_labels.len() >= Self::MAX && !self.drop_labels.contains(name) {
            return Err(FilterError::TooMany);
        }
        self.drop_labels.insert(name.into());
        Ok(())
    }

    /// Leaves out `HELP` lines.
    pub fn without_help(&mut self) {
        self.is_without_help = true;
    }

    /// Whether the filter leaves out nothing, whatever the text.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Filters a text of either format. The rest stays verbatim, except that series which lose labels are written anew.
    ///
    /// A histogram or summary is kept or left out as a whole, by its family's name. In OpenMetrics, a counter also matches by
    /// its name with `_total`, and an info metric by its name with `_info`.
    ///
    /// # Errors
    ///
    /// The first line that Prometheus would refuse: in such a text it is unknown what to leave out. A filter that leaves out
    /// nothing accepts any text.
    pub fn apply(&self, text: &str) -> Result<Filtered, ExpositionError> {
        if self.is_nothing() {
            return Ok(Filtered { text: text.to_owned(), ..Filtered::default() });
        }
        let identity = Labels::default();
        let source =
            Source { text: text.as_bytes(), identity: &identity, inject: Inject::Never, seed: 0 };
        // The proxy that serves the text decides which names are reserved.
        let policy = Policy { reserved: ReservedNames::none(), ..Policy::default() };
        let facts = read(&source, &policy)?;
        let dialect = facts.dialect();
        let format = match dialect {
            Dialect::OpenMetrics => Format::OpenMetrics1,
            Dialect::Text => Format::Text004,
        };
        let target = Target { format, escaping: Escaping::AllowUtf8 };
        let mut pass = Pass {
            filter: self,
            writer: Writer { target, source: dialect, series: Series::new(&source) },
            kinds: kinds(source.text, &facts, &policy),
            denied: BTreeMap::new(),
            last: (&[], false),
            owners: BTreeMap::new(),
            filtered: Filtered::default(),
        };
        let mut out = Vec::with_capacity(text.len());
        pass.run(source.text, facts.reader(source.text, &policy), &mut out);
        let mut filtered = pass.filtered;
        // Lines, names and values of a UTF-8 text are UTF-8.
        filtered.text = String::from_utf8(out)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(filtered)
    }

    fn is_denied(&self, names: &[&str]) -> bool {
        let has = |patterns: &[Pattern]| {
            patterns.iter().any(|pattern| names.iter().any(|name| pattern.matches(name)))
        };
        has(&self.deny) || !self.allow.is_empty() && !has(&self.allow)
    }
}

fn push(patterns: &mut Vec<Pattern>, pattern: Pattern) -> Result<(), FilterError> {
    if patterns.len() >= Filter::MAX {
        return Err(FilterError::TooMany);
    }
    patterns.push(pattern);
    Ok(())
}

/// One text being filtered.
struct Pass<'a, 'f> {
    filter: &'f Filter,
    writer: Writer<'a>,
    kinds: BTreeMap<Box<[u8]>, MetricKind>,
    /// Families, and whether they are left out.
    denied: BTreeMap<Box<[u8]>, bool>,
    /// The last metric name, and whether it is left out.
    last: (&'a [u8], bool),
    /// For each family: the labels left after dropping, and the original labels of the first series that has them, as hashes without the bound.
    owners: BTreeMap<(u64, u64), u64>,
    filtered: Filtered,
}

impl<'a> Pass<'a, '_> {
    fn run(&mut self, text: &'a [u8], mut reader: Reader<'a>, out: &mut Vec<u8>) {
        while let Some(line) = reader.next() {
            let Ok(line) = line else { continue };
            if self.is_left_out(&line) {
                continue;
            }
            if let Entry::Sample(sample) = &line.entry {
                let labels = reader.labels();
                if let Some(kept) = self.kept(&sample.name, labels) {
                    if self.is_duplicate(&sample.name, labels, &kept) {
                        self.filtered.duplicates += 1;
                    } else {
                        let shape = Shape { bound: None, may_have_exemplar: true };
                        self.writer.sample(sample, &kept, shape, out);
                    }
                    continue;
                }
                if !self.filter.drop_labels.is_empty()
                    && self.is_duplicate(&sample.name, labels, labels)
                {
                    self.filtered.duplicates += 1;
                    continue;
                }
            }
            out.extend_from_slice(text.get(line.start..line.end).unwrap_or_default());
            end_line(out);
        }
    }

    fn is_left_out(&mut self, line: &Line<'a>) -> bool {
        let Some(name) = line.entry.name() else {
            // It has no meaning in text 0.0.4, but could make the rest look like OpenMetrics.
            return self.writer.source == Dialect::Text && matches!(line.entry, Entry::Eof);
        };
        if !std::ptr::eq(self.last.0, name.text.raw) {
            self.last = (name.text.raw, self.is_denied(name));
        }
        if self.last.1 {
            self.filtered.series += usize::from(matches!(line.entry, Entry::Sample(_)));
            return true;
        }
        self.filter.is_without_help && matches!(line.entry, Entry::Help { .. })
    }

    fn is_denied(&mut self, name: &Name<'a>) -> bool {
        let name = name.plain();
        let family = self.family(&name);
        if let Some(known) = self.denied.get(family) {
            return *known;
        }
        let shown = String::from_utf8_lossy(family);
        let suffixed = match self.kinds.get(family) {
            Some(MetricKind::Counter) => format!("{shown}_total"),
            Some(MetricKind::Info) => format!("{shown}_info"),
            _ => String::new(),
        };
        let has_other = self.writer.source == Dialect::OpenMetrics && !suffixed.is_empty();
        let names: &[&str] = if has_other { &[&shown, &suffixed] } else { &[&shown] };
        let is_denied = self.filter.is_denied(names);
        let family = family.into();
        self.denied.insert(family, is_denied);
        self.filtered.families += usize::from(is_denied);
        is_denied
    }

    fn family<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        family_of(name, self.writer.source, |name| self.kinds.get(name).copied())
    }

    /// The labels of a sample that stay; `None` if none is dropped.
    fn kept(&self, name: &Name<'a>, labels: &[Label<'a>]) -> Option<Vec<Label<'a>>> {
        let dropped = &self.filter.drop_labels;
        if dropped.is_empty() {
            return None;
        }
        let name = name.plain();
        let is_dropped = |label: &&Label<'a>| {
            let label = label.name.plain();
            // The label of that name distinguishes the states of a state set.
            let is_state =
                || *label == *name && self.kinds.get(&*name) == Some(&MetricKind::StateSet);
            std::str::from_utf8(&label).is_ok_and(|label| dropped.contains(label)) && !is_state()
        };
        labels
            .iter()
            .any(|label| is_dropped(&label))
            .then(|| labels.iter().filter(|label| !is_dropped(label)).copied().collect())
    }

    /// Whether other labels have already become the same.
    fn is_duplicate(&mut self, name: &Name<'a>, labels: &[Label<'a>], kept: &[Label<'a>]) -> bool {
        let name = name.plain();
        let family = self.family(&name);
        let bound: &[u8] = match self.kinds.get(family) {
            Some(MetricKind::Histogram | MetricKind::GaugeHistogram) => b"le",
            Some(MetricKind::Summary) => b"quantile",
            Some(MetricKind::StateSet) => family,
            None | Some(MetricKind::Unknown) if name.ends_with(b"_bucket") => b"le",
            _ => b"",
        };
        let series = &self.writer.series;
        let (family, left) = (series.hash(family), series.group(kept, bound));
        let own = series.group(labels, bound);
        *self.owners.entry((family, left)).or_insert(own) != own
    }
}
