use super::{Dialect, Kind, Label, Name, Reader};
use crate::exposition::cursor::{Cursor, is_label};
use memchr::memchr;

impl<'a> Reader<'a> {
    /// What is inside the braces, and the closing one. Returns the metric's name.
    pub(super) fn label_set(&mut self, mut metric: Option<Name<'a>>) -> Result<Name<'a>, Kind> {
        loop {
            self.skip_blanks();
            if self.cursor.take(b'}') {
                break;
            }
            let before = self.cursor;
            if self.repeat_label() {
                self.end_label()?;
                continue;
            }
            let name = self.label_name()?;
            self.skip_blanks();
            if name.is_quoted && matches!(self.cursor.peek(), Some(b',' | b'}')) {
                if let Err(kind) = self.set_metric(&mut metric, name) {
                    self.cursor = before;
                    return Err(kind);
                }
            } else {
                self.label(name, before)?;
            }
            self.end_label()?;
        }
        self.refuse_twice()?;
        metric.ok_or(Kind::MetricNameMissing)
    }

    /// Takes the label that the sample before had in this place, if it comes again.
    fn repeat_label(&mut self) -> bool {
        let position = self.labels.len();
        let Some(label) = self.previous.get(position) else { return false };
        match self.cursor.rest.strip_prefix(label.span) {
            Some(rest) if position < self.max_labels => {
                self.is_clean &= !label.value.is_strange && !label.name.text.is_strange;
                self.labels.push(Label { start: self.position(), ..*label });
                self.cursor.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// What is between two labels.
    fn end_label(&mut self) -> Result<(), Kind> {
        self.skip_blanks();
        if !self.cursor.take(b',') && self.cursor.peek() != Some(b'}') {
            if self.dialect == Dialect::OpenMetrics || self.cursor.is_at_line_end() {
                return Err(Kind::Expected("the comma or closing brace after a label"));
            }
            self.is_clean = false;
        }
        Ok(())
    }

    fn set_metric(&mut self, metric: &mut Option<Name<'a>>, name: Name<'a>) -> Result<(), Kind> {
        if metric.is_some() {
            return Err(Kind::MetricNameTwice);
        }
        if name.text.raw.is_empty() {
            return Err(Kind::MetricName);
        }
        if !self.is_utf8_part(name.text.raw) {
            return Err(Kind::NotUtf8);
        }
        self.name = Some(name);
        self.is_clean &= !name.text.is_strange;
        *metric = Some(name);
        Ok(())
    }

    /// A label's name, or a metric's if in quotes.
    pub(super) fn label_name(&mut self) -> Result<Name<'a>, Kind> {
        match self.cursor.peek() {
            Some(b'"') => Ok(Name { text: self.cursor.quoted("the label name")?, is_quoted: true }),
            None | Some(b'\n') => Err(Kind::Expected("the closing brace of the labels")),
            Some(_) => self.cursor.name(is_label).map(Name::bare).ok_or(Kind::LabelName),
        }
    }

    /// The label behind its name.
    fn label(&mut self, name: Name<'a>, before: Cursor<'a>) -> Result<(), Kind> {
        let kind = match name.text.raw {
            b"" => Some(Kind::LabelName),
            b"__name__" => Some(Kind::LabelNameReserved),
            raw if name.is_quoted && !self.is_utf8_part(raw) => Some(Kind::NotUtf8),
            _ if self.labels.len() >= self.max_labels => {
                Some(Kind::TooManyLabels { limit: self.max_labels })
            }
            _ => None,
        };
        if let Some(kind) = kind {
            self.cursor = before;
            return Err(kind);
        }
        self.cursor.expect(b'=', "the = after a label name")?;
        self.skip_blanks();
        let at_value = self.cursor;
        let value = self.cursor.quoted("the opening quote of a label value")?;
        if !self.is_utf8_part(value.raw) {
            let valid = value.raw.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
            self.cursor = at_value;
            self.cursor.advance(1 + valid);
            return Err(Kind::NotUtf8);
        }
        if self.dialect == Dialect::OpenMetrics && memchr(b'\n', value.raw).is_some() {
            self.cursor = at_value;
            return Err(Kind::Unterminated);
        }
        self.is_clean &= !value.is_strange && !name.text.is_strange;
        let len = before.rest.len() - self.cursor.rest.len();
        let span = before.rest.get(..len).unwrap_or_default();
        let start = self.text.len() - before.rest.len();
        self.labels.push(Label { name, value, span, start });
        Ok(())
    }

    /// Refuses a series with two labels of one name, standing at the second of them.
    fn refuse_twice(&mut self) -> Result<(), Kind> {
        let Some(label) = find_twice(&self.labels) else { return Ok(()) };
        self.cursor.rest = self.text.get(label.start..).unwrap_or_default();
        Err(Kind::LabelTwice)
    }
}

/// The second of two labels of one name. Takes n log n time where there are many.
fn find_twice<'l, 'a>(labels: &'l [Label<'a>]) -> Option<&'l Label<'a>> {
    let is_escaped = labels.iter().any(|label| label.name.text.is_escaped);
    if labels.len() <= 16 && !is_escaped {
        let is_twice = |(position, label): &(usize, &Label<'a>)| {
            labels.iter().take(*position).any(|other| other.name.text.raw == label.name.text.raw)
        };
        return labels.iter().enumerate().find(is_twice).map(|(_, label)| label);
    }
    let mut names: Vec<_> = labels.iter().map(|label| (label.name.plain(), label)).collect();
    names.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.start.cmp(&other.1.start)));
    let pairs = names.windows(2).filter_map(|pair| match pair {
        [one, other] if one.0 == other.0 => Some(other.1),
        _ => None,
    });
    pairs.min_by_key(|label| label.start)
}
