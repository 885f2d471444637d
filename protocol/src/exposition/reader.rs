//! Reads a text line by line into spans of the text.

use super::cursor::{Cursor, Quoted, common_prefix, is_metric};
use super::error::Fault;
use super::escape::unescape;
use super::{ExpositionErrorKind as Kind, Limits, float};
use memchr::memchr;
use std::borrow::Cow;

/// The format that a text is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenMetrics,
    Text,
}

/// A line, or several if a quoted text has raw line feeds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) entry: Entry<'a>,
    /// Where it begins in the text.
    pub(super) start: usize,
    /// Where it ends, after its line feed if it has one.
    pub(super) end: usize,
    /// Whether strict parsers of text 0.0.4 read it as Prometheus does, so that it can be passed through.
    pub(super) is_clean: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    /// A blank line, or a comment without meaning.
    Comment,
    /// `# EOF`.
    Eof,
    Help {
        name: Name<'a>,
        text: &'a [u8],
    },
    Sample(Sample<'a>),
    Type {
        name: Name<'a>,
        kind: MetricKind,
    },
    Unit {
        name: Name<'a>,
        unit: &'a [u8],
    },
}

/// A name, quoted or not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Name<'a> {
    pub(super) text: Quoted<'a>,
    pub(super) is_quoted: bool,
}

impl<'a> Name<'a> {
    fn bare(raw: &'a [u8]) -> Self {
        Self { text: Quoted { raw, is_escaped: false, is_strange: false }, is_quoted: false }
    }

    pub(super) fn plain(&self) -> Cow<'a, [u8]> {
        unescape(&self.text)
    }
}

/// A label of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'a> {
    pub(super) name: Name<'a>,
    pub(super) value: Quoted<'a>,
    /// Where it is in the text. If the previous sample has the same label after the same labels, it is not read again: this is
    /// where it was read then, and no other label has this place.
    pub(super) start: usize,
    /// From the name to the opening quote of the value.
    lead: &'a [u8],
    after: After,
}

/// The state after a label, or after a metric's name inside the braces.
#[derive(Clone, Copy, Debug, Default)]
struct After {
    /// The distance from the opening brace. The byte there may have been examined, but none after it.
    at: usize,
    /// Whether the braces are clean up to there.
    is_clean: bool,
}

impl<'a> Label<'a> {
    pub(super) fn plain_value(&self) -> Cow<'a, [u8]> {
        unescape(&self.value)
    }
}

/// A sample. Its labels are in [`Reader::labels`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    pub(super) name: Name<'a>,
    pub(super) value: &'a [u8],
    pub(super) timestamp: Option<&'a [u8]>,
    /// What follows the ` # `: labels, value, perhaps a timestamp.
    pub(super) exemplar: Option<&'a [u8]>,
}

/// The type in a `TYPE` line, of the text format or OpenMetrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum MetricKind {
    Counter,
    Gauge,
    GaugeHistogram,
    Histogram,
    Info,
    StateSet,
    Summary,
    /// `untyped` or `unknown`.
    #[default]
    Unknown,
}

pub(super) struct Reader<'a> {
    text: &'a [u8],
    cursor: Cursor<'a>,
    dialect: Dialect,
    /// The labels of this sample, followed by those of the previous one that have not been replaced yet.
    labels: Vec<Label<'a>>,
    /// The number of labels of this sample.
    count: usize,
    /// The braces of the previous sample, padded: this sample's usually begin with the same bytes. Empty if it cannot be used.
    before: &'a [u8],
    /// The metric's name, if it is inside them.
    named: Option<(Name<'a>, After)>,
    /// The last unquoted name: the next one usually begins with the same bytes.
    last_name: &'a [u8],
    last_name_padded: &'a [u8],
    /// Whether the whole text is UTF-8, so that its parts need no check.
    is_utf8: bool,
    /// Where the next NUL is.
    nul: usize,
    max_line_len: usize,
    max_labels: usize,
    /// The metric name of the current line, as soon as it is known.
    name: Option<Name<'a>>,
    is_clean: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8], dialect: Dialect, is_utf8: bool, limits: &Limits) -> Self {
        Self {
            text,
            cursor: Cursor { rest: text },
            dialect,
            labels: Vec::new(),
            count: 0,
            before: &[],
            named: None,
            last_name: &[],
            last_name_padded: &[],
            is_utf8,
            nul: memchr(0, text).unwrap_or(text.len()),
            max_line_len: limits.max_line_len,
            max_labels: limits.max_labels,
            name: None,
            is_clean: true,
        }
    }

    /// The labels of the last sample.
    pub(super) fn labels(&self) -> &[Label<'a>] {
        self.labels.get(..self.count).unwrap_or_default()
    }

    /// The metric name of the last line, if it came before the fault.
    pub(super) fn name(&self) -> Option<Name<'a>> {
        self.name
    }

    /// Reads the next line. After a fault, continues after the line in which the faulty entry begins.
    pub(super) fn next(&mut self) -> Option<Result<Line<'a>, Fault>> {
        if self.cursor.rest.is_empty() {
            return None;
        }
        let start = self.position();
        self.name = None;
        self.is_clean = true;
        let entry = self.entry();
        let end = self.position();
        match entry {
            Ok(entry) if end <= self.nul && end - start <= self.max_line_len => {
                self.cursor.take(b'\n');
                Some(Ok(Line { entry, start, end: self.position(), is_clean: self.is_clean }))
            }
            entry => Some(Err(self.refuse(entry.err(), start, end))),
        }
    }

    /// The fault of an entry that ends here, or that cannot be read from here on.
    #[cold]
    fn refuse(&mut self, kind: Option<Kind>, start: usize, end: usize) -> Fault {
        let nul = self.nul;
        self.resume_behind(start);
        if nul < self.position().max(if kind.is_none() { end } else { 0 }) {
            return Fault { position: nul, kind: Kind::Nul };
        }
        match kind {
            Some(kind) => Fault { position: end, kind },
            None => {
                let kind = Kind::LineTooLong { len: end - start, limit: self.max_line_len };
                Fault { position: start + self.max_line_len, kind }
            }
        }
    }

    fn resume_behind(&mut self, start: usize) {
        self.before = &[];
        self.cursor.rest = self.text.get(start..).unwrap_or_default();
        self.cursor.line();
        self.cursor.take(b'\n');
        let position = self.position();
        if self.nul < position {
            self.nul = memchr(0, self.cursor.rest).map_or(self.text.len(), |len| position + len);
        }
    }

    fn position(&self) -> usize {
        self.text.len() - self.cursor.rest.len()
    }

    fn entry(&mut self) -> Result<Entry<'a>, Kind> {
        let entry = match self.dialect {
            Dialect::OpenMetrics => self.open_metrics_entry(),
            Dialect::Text => self.text_entry(),
        }?;
        debug_assert!(self.cursor.is_at_line_end());
        Ok(entry)
    }

    fn text_entry(&mut self) -> Result<Entry<'a>, Kind> {
        // Prometheus takes blanks before a name as part of it.
        let is_indented = self.cursor.skip_blanks();
        match self.cursor.peek() {
            None | Some(b'\n') => Ok(Entry::Comment),
            Some(b'#') => self.comment(),
            Some(_) => {
                self.is_clean = !is_indented;
                self.sample()
            }
        }
    }

    fn comment(&mut self) -> Result<Entry<'a>, Kind> {
        let start = self.cursor;
        self.cursor.take(b'#');
        if self.cursor.skip_blanks() {
            let mut after = self.cursor;
            for (word, is_help) in [(b"HELP", true), (b"TYPE", false)] {
                if after.take_word(word) && after.skip_blanks() {
                    self.cursor = after;
                    return if is_help { self.help() } else { self.metric_type() };
                }
                after = self.cursor;
            }
            if after.line().trim_ascii_end() == b"EOF" {
                self.cursor.line();
                self.is_clean = false;
                return Ok(Entry::Eof);
            }
        }
        self.cursor = start;
        let line = self.cursor.line();
        self.is_clean = self.is_utf8_part(line);
        Ok(Entry::Comment)
    }

    /// The rest of a `HELP` line. Prometheus takes the text as starting one byte after the name, whatever that byte is.
    fn help(&mut self) -> Result<Entry<'a>, Kind> {
        let name = self.metadata_name()?;
        let before = self.cursor;
        let rest = self.cursor.line();
        if self.dialect == Dialect::OpenMetrics && rest.first() != Some(&b' ') {
            self.cursor = before;
            return Err(Kind::Expected("the blank before the help text"));
        }
        let text = rest.get(1..).unwrap_or_default();
        // After half a character, the rest is not UTF-8 even if the whole is.
        let is_cut = rest.first().is_some_and(|first| !first.is_ascii());
        if !self.is_utf8_part(text) || is_cut && std::str::from_utf8(text).is_err() {
            self.cursor = before;
            return Err(Kind::NotUtf8);
        }
        if !matches!(rest.first(), None | Some(b' ' | b'\t')) || !self.is_served(name) {
            self.is_clean = false;
            return Ok(Entry::Comment);
        }
        self.is_clean = !name.text.is_strange && !has_strange_escape(text);
        Ok(Entry::Help { name, text })
    }

    /// The rest of a `TYPE` line. Prometheus skips one byte after the name, and compares the rest.
    fn metric_type(&mut self) -> Result<Entry<'a>, Kind> {
        let name = self.metadata_name()?;
        let separator = self.cursor.advance(usize::from(!self.cursor.is_at_line_end()));
        let is_separated = separator == b" " || self.dialect == Dialect::Text && separator == b"\t";
        if self.dialect == Dialect::OpenMetrics && !is_separated {
            return Err(Kind::Type);
        }
        let before = self.cursor;
        let kind = MetricKind::read(self.cursor.line(), self.dialect);
        let kind = kind.inspect_err(|_| self.cursor = before)?;
        if !is_separated || !self.is_served(name) {
            self.is_clean = false;
            return Ok(Entry::Comment);
        }
        self.is_clean = !name.text.is_strange;
        Ok(Entry::Type { name, kind })
    }

    /// Whether Prometheus uses the metadata of a metric with this name.
    fn is_served(&self, name: Name<'_>) -> bool {
        !name.text.raw.is_empty() && self.is_utf8_part(name.text.raw)
    }

    fn metadata_name(&mut self) -> Result<Name<'a>, Kind> {
        let name = match self.cursor.peek() {
            Some(b'"') => Name { text: self.cursor.quoted("the name")?, is_quoted: true },
            _ => self.bare_name().ok_or(Kind::MetricName)?,
        };
        self.name = Some(name);
        Ok(name)
    }

    fn sample(&mut self) -> Result<Entry<'a>, Kind> {
        let bare = self.bare_name();
        if bare.is_none() && self.cursor.peek() != Some(b'{') {
            return Err(Kind::MetricName);
        }
        self.name = bare;
        let is_separated = self.skip_blanks();
        let glued = self.cursor;
        let has_braces = self.cursor.take(b'{');
        let name = match (has_braces, bare) {
            (true, _) => self.label_set(bare)?,
            (false, Some(bare)) => {
                (self.before, self.count) = (&[], 0);
                bare
            }
            (false, None) => return Err(Kind::MetricName),
        };
        match self.dialect {
            Dialect::Text => {
                self.cursor.skip_blanks();
            }
            Dialect::OpenMetrics => {
                self.cursor.expect(b' ', "the blank before the value")?;
            }
        }
        let value = self.value();
        if !is_separated && !has_braces && !glued.is_at_line_end() && self.dialect == Dialect::Text
        {
            // Prometheus reads it as a value, if it is one: `a-1` is -1.
            self.is_clean = false;
            if value.is_err() {
                self.cursor = glued;
                return Err(Kind::MetricName);
            }
        }
        let value = value?;
        let (timestamp, exemplar) = match self.dialect {
            Dialect::OpenMetrics => self.open_metrics_tail()?,
            Dialect::Text => (self.text_tail()?, None),
        };
        Ok(Entry::Sample(Sample { name, value, timestamp, exemplar }))
    }

    /// The unquoted name of a metric.
    fn bare_name(&mut self) -> Option<Name<'a>> {
        let start = self.position();
        let known = self.last_name.len();
        let same = common_prefix(self.last_name_padded, self.cursor.rest).min(known);
        let mut after = Cursor { rest: self.cursor.rest.get(same..).unwrap_or_default() };
        if same == known && known > 0 && !after.peek().is_some_and(is_metric) {
            self.cursor = after;
            return Some(Name::bare(self.last_name));
        }
        if same == 0 {
            self.last_name = self.cursor.name(is_metric)?;
        } else {
            after.rest_of_name(is_metric);
            self.last_name = self.cursor.advance(self.cursor.rest.len() - after.rest.len());
        }
        self.last_name_padded = self.padded(start);
        Some(Name::bare(self.last_name))
    }

    /// The text from `start` to here and a few more bytes, so that all of it is compared in blocks.
    fn padded(&self, start: usize) -> &'a [u8] {
        let len = (self.position() - start).next_multiple_of(16);
        let text = self.text.get(start..).unwrap_or_default();
        text.get(..len).unwrap_or(text)
    }

    #[inline]
    fn value(&mut self) -> Result<&'a [u8], Kind> {
        let before = self.cursor;
        let number = self.cursor.advance(float::modest_len(before.rest));
        if !number.is_empty() && matches!(self.cursor.peek(), None | Some(b'\n' | b' ' | b'\t')) {
            return Ok(number);
        }
        self.cursor = before;
        let token = self.cursor.token();
        if token.is_empty() {
            return Err(Kind::Expected("the value"));
        }
        float::check(token).inspect_err(|_| self.cursor = before)?;
        Ok(token)
    }

    /// The timestamp of text 0.0.4, if there is one, and the end of the line.
    fn text_tail(&mut self) -> Result<Option<&'a [u8]>, Kind> {
        self.cursor.skip_blanks();
        match self.cursor.peek() {
            None | Some(b'\n') => return Ok(None),
            Some(b'#') => return Err(Kind::Exemplar),
            Some(_) => {}
        }
        let before = self.cursor;
        let token = self.cursor.token();
        if !is_timestamp(token) {
            self.cursor = before;
            return Err(Kind::Timestamp);
        }
        self.cursor.skip_blanks();
        match self.cursor.peek() {
            None | Some(b'\n') => Ok(Some(token)),
            Some(b'#') => Err(Kind::Exemplar),
            Some(_) => Err(Kind::Trailing),
        }
    }

    /// Skips blanks where text 0.0.4 allows them. OpenMetrics does not.
    fn skip_blanks(&mut self) -> bool {
        self.dialect == Dialect::Text && self.cursor.skip_blanks()
    }

    fn is_utf8_part(&self, part: &[u8]) -> bool {
        self.is_utf8 || std::str::from_utf8(part).is_ok()
    }
}

mod label_set;
mod open_metrics;

impl MetricKind {
    fn read(word: &[u8], dialect: Dialect) -> Result<Self, Kind> {
        let is_text = dialect == Dialect::Text;
        let (kind, name) = match word {
            b"counter" => return Ok(Self::Counter),
            b"gauge" => return Ok(Self::Gauge),
            b"histogram" => return Ok(Self::Histogram),
            b"summary" => return Ok(Self::Summary),
            b"untyped" if is_text => return Ok(Self::Unknown),
            b"gaugehistogram" => (Self::GaugeHistogram, "gaugehistogram"),
            b"info" => (Self::Info, "info"),
            b"stateset" => (Self::StateSet, "stateset"),
            b"unknown" => (Self::Unknown, "unknown"),
            _ => return Err(Kind::Type),
        };
        if is_text { Err(Kind::OpenMetricsType(name)) } else { Ok(kind) }
    }
}

/// Whether the digits are at most 2^63 - 1. Prometheus accepts no sign.
fn is_timestamp(token: &[u8]) -> bool {
    token.iter().all(u8::is_ascii_digit)
        && (token.len() <= 18
            || std::str::from_utf8(token).is_ok_and(|token| token.parse::<i64>().is_ok()))
}

/// Whether a help text has a backslash that is not part of `\\` or `\n`.
fn has_strange_escape(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(len) = memchr(b'\\', rest) {
        match rest.get(len + 1) {
            Some(b'\\' | b'n') => rest = rest.get(len + 2..).unwrap_or_default(),
            _ => return true,
        }
    }
    false
}
