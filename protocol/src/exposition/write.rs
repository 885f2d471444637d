//! Writes lines for a target.

use super::cursor::{is_label, is_metric, is_plain};
use super::escape::{underscores, write_plain, write_quoted};
use super::reader::{Dialect, Label, Name, Sample};
use super::series::Series;
use super::time;
use super::{Escaping, Format, Target};
use std::borrow::Cow;

/// Writes samples in the form that one target accepts.
pub(super) struct Writer<'a> {
    pub(super) target: Target,
    pub(super) source: Dialect,
    pub(super) series: Series<'a>,
}

impl Writer<'_> {
    /// Writes a sample as a line, from its parts.
    pub(super) fn sample(
        &self,
        sample: &Sample<'_>,
        labels: &[Label<'_>],
        shape: Shape,
        out: &mut Vec<u8>,
    ) {
        self.name_and_labels(&sample.name, labels, shape, out);
        out.push(b' ');
        out.extend_from_slice(sample.value);
        if let Some(timestamp) = sample.timestamp {
            out.push(b' ');
            match (self.source, self.target.format) {
                (Dialect::OpenMetrics, Format::Text004) => time::write_milliseconds(timestamp, out),
                (Dialect::Text, Format::OpenMetrics1) => time::write_seconds(timestamp, out),
                _ => out.extend_from_slice(timestamp),
            }
        }
        if let Some(exemplar) = sample
            .exemplar
            .filter(|it| shape.may_have_exemplar && is_plain_exemplar(it, &sample.name))
        {
            out.extend_from_slice(b" # ");
            out.extend_from_slice(exemplar);
        }
        out.push(b'\n');
    }

    fn name_and_labels(
        &self,
        name: &Name<'_>,
        labels: &[Label<'_>],
        shape: Shape,
        out: &mut Vec<u8>,
    ) {
        let name = self.written(name, is_metric);
        let mut is_open = name.is_quoted;
        if is_open {
            out.push(b'{');
        }
        name.write(out);
        let mut seen = Vec::new();
        for label in labels.iter().filter(|label| !self.series.is_replaced(label)) {
            let name = self.written(&label.name, is_label);
            if name.is_renamed && (self.is_taken(&name, labels) || seen.contains(&name.text)) {
                continue;
            }
            separate(&mut is_open, out);
            name.write(out);
            out.extend_from_slice(b"=\"");
            match canonical_bound(label, shape) {
                Some(number) => out.extend_from_slice(number.as_bytes()),
                None => write_quoted(&label.value, out),
            }
            out.push(b'"');
            if name.is_renamed {
                seen.push(name.text);
            }
        }
        for (name, value) in self.series.added(labels) {
            separate(&mut is_open, out);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            write_plain(value.as_bytes(), out);
            out.push(b'"');
        }
        if is_open {
            out.push(b'}');
        }
    }

    /// Whether an unchanged or added label already has this name.
    fn is_taken(&self, name: &Written<'_>, labels: &[Label<'_>]) -> bool {
        let mut own = labels.iter().filter(|label| !self.series.is_replaced(label));
        own.any(|label| *label.name.plain() == *name.text)
            || self.series.added(labels).any(|(added, _)| added.as_bytes() == &*name.text)
    }

    /// A name in the form that the target accepts.
    pub(super) fn written<'n>(&self, name: &Name<'n>, is_part: fn(u8) -> bool) -> Written<'n> {
        if !name.is_quoted {
            return Written { text: Cow::Borrowed(name.text.raw), ..Written::default() };
        }
        self.written_plain(name.plain(), is_part)
    }

    pub(super) fn written_plain<'n>(
        &self,
        text: Cow<'n, [u8]>,
        is_part: fn(u8) -> bool,
    ) -> Written<'n> {
        if is_plain(&text, is_part) {
            return Written { text, ..Written::default() };
        }
        if self.target.escaping == Escaping::AllowUtf8 {
            return Written { text, is_quoted: true, is_renamed: false };
        }
        let text = Cow::Owned(underscores(&text, is_part).into_owned());
        Written { text, is_quoted: false, is_renamed: true }
    }
}

/// What the type of a family requires of its samples in a format.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// The label that holds a number, `le` or `quantile`, for which OpenMetrics has one canonical form.
    pub(super) bound: Option<&'static [u8]>,
    pub(super) may_have_exemplar: bool,
}

/// A name as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written<'a> {
    /// Plain, without escapes.
    pub(super) text: Cow<'a, [u8]>,
    pub(super) is_quoted: bool,
    pub(super) is_renamed: bool,
}

impl Written<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if !self.is_quoted {
            out.extend_from_slice(&self.text);
            return;
        }
        out.push(b'"');
        write_plain(&self.text, out);
        out.push(b'"');
    }
}

/// Whether strict parsers read the exemplar at a sample of this name: at most 128 characters of labels, no escapes, no quoted names.
fn is_plain_exemplar(exemplar: &[u8], name: &Name<'_>) -> bool {
    let labels_len = memchr::memrchr(b'}', exemplar).unwrap_or_default();
    let is_apart = |pair: &[u8]| pair == b"{\"" || pair == b",\"";
    (name.text.raw.ends_with(b"_total") || name.text.raw.ends_with(b"_bucket"))
        && labels_len <= 128
        && !exemplar.contains(&b'\\')
        && !exemplar.windows(2).any(is_apart)
}

fn separate(is_open: &mut bool, out: &mut Vec<u8>) {
    out.push(if *is_open { b',' } else { b'{' });
    *is_open = true;
}

/// The bound in the form of OpenMetrics, if the label is one and has another form.
fn canonical_bound(label: &Label<'_>, shape: Shape) -> Option<String> {
    shape.bound.filter(|bound| *bound == label.name.text.raw)?;
    let number: f64 = std::str::from_utf8(label.value.raw).ok()?.parse().ok()?;
    Some(canonical_number(number))
}

/// The number as Go's `%g` writes it for OpenMetrics, always with a fraction or an exponent.
pub(super) fn canonical_number(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}
