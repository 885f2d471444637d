//! The braces of a sample. They usually repeat those of the previous sample up to one of the last labels; the repeated part is not read again.

use super::{After, Dialect, Kind, Label, Name, Reader, common_prefix};
use crate::exposition::cursor::{Cursor, is_label};
use memchr::memchr;

impl<'a> Reader<'a> {
    /// Reads from after the opening brace to after the closing one. Returns the metric's name.
    pub(super) fn label_set(&mut self, mut metric: Option<Name<'a>>) -> Result<Name<'a>, Kind> {
        let base = self.position();
        let was_clean = std::mem::replace(&mut self.is_clean, true);
        // Names that are in the same places as in the previous sample are distinct.
        let mut is_new = !self.repeat(&mut metric);
        loop {
            self.skip_blanks();
            if self.cursor.take(b'}') {
                break;
            }
            let start = self.position();
            if self.repeat_name() {
                self.label_value(base, start, None)?;
                continue;
            }
            let before = self.cursor;
            let name = self.label_name()?;
            self.skip_blanks();
            if name.is_quoted && matches!(self.cursor.peek(), Some(b',' | b'}')) {
                if let Err(kind) = self.set_metric(&mut metric, name) {
                    self.cursor = before;
                    return Err(kind);
                }
                self.end_label()?;
                self.named = Some((name, self.after(base)));
                continue;
            }
            self.refuse_name(&name, before)?;
            self.cursor.expect(b'=', "the = after a label name")?;
            self.skip_blanks();
            let old = self.labels.get(self.count);
            is_new |= old.is_none_or(|old| old.name.text.raw != name.text.raw);
            self.is_clean &= !name.text.is_strange;
            self.label_value(base, start, Some(name))?;
        }
        if is_new {
            self.refuse_twice()?;
        }
        self.before = self.padded(base);
        self.is_clean &= was_clean;
        metric.ok_or(Kind::MetricNameMissing)
    }

    /// Takes what repeats the previous sample. Returns whether that sample's labels are known.
    fn repeat(&mut self, metric: &mut Option<Name<'a>>) -> bool {
        let before = std::mem::take(&mut self.before);
        let count = std::mem::take(&mut self.count);
        let named = self.named.take();
        if before.is_empty() || named.is_some() && metric.is_some() {
            return false;
        }
        self.labels.truncate(count);
        let same = common_prefix(before, self.cursor.rest);
        self.count = self.labels.iter().take_while(|label| label.after.at < same).count();
        let last = self.count.checked_sub(1).and_then(|last| self.labels.get(last));
        let mut after = last.map_or(After { at: 0, is_clean: true }, |last| last.after);
        if let Some((name, behind)) = named
            && behind.at < same
        {
            self.named = named;
            self.name = Some(name);
            *metric = self.name;
            if behind.at > after.at {
                after = behind;
            }
        }
        self.is_clean = after.is_clean;
        self.cursor.advance(after.at);
        true
    }

    /// Takes the name of a label and everything up to the value's quote, if the previous sample has the same in this place.
    fn repeat_name(&mut self) -> bool {
        let Some(old) = self.labels.get(self.count) else { return false };
        let is_same = self.cursor.rest.starts_with(old.lead);
        if is_same {
            self.is_clean &= !old.name.text.is_strange;
            self.cursor.advance(old.lead.len() - 1);
        }
        is_same
    }

    /// The state at this place of the braces that begin at `base`.
    fn after(&self, base: usize) -> After {
        After { at: self.position() - base, is_clean: self.is_clean }
    }

    /// Reads what is between two labels.
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

    /// A label's name, or a metric's if quoted.
    pub(super) fn label_name(&mut self) -> Result<Name<'a>, Kind> {
        match self.cursor.peek() {
            Some(b'"') => Ok(Name { text: self.cursor.quoted("the label name")?, is_quoted: true }),
            None | Some(b'\n') => Err(Kind::Expected("the closing brace of the labels")),
            Some(_) => self.cursor.name(is_label).map(Name::bare).ok_or(Kind::LabelName),
        }
    }

    /// Refuses a name that no label may have, and one label too many.
    fn refuse_name(&mut self, name: &Name<'a>, before: Cursor<'a>) -> Result<(), Kind> {
        let kind = match name.text.raw {
            b"" => Kind::LabelName,
            b"__name__" => Kind::LabelNameReserved,
            raw if name.is_quoted && !self.is_utf8_part(raw) => Kind::NotUtf8,
            _ if self.count >= self.max_labels => Kind::TooManyLabels { limit: self.max_labels },
            _ => return Ok(()),
        };
        self.cursor = before;
        Err(kind)
    }

    /// Reads a label's value, and what is between it and the next label. `name` is `None` if it is that of the previous sample.
    fn label_value(
        &mut self,
        base: usize,
        start: usize,
        name: Option<Name<'a>>,
    ) -> Result<(), Kind> {
        let at_value = self.cursor;
        let value = self.cursor.quoted("the opening quote of a label value")?;
        if !self.is_utf8_part(value.raw) {
            let valid = value.raw.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
            self.cursor = at_value;
            self.cursor.advance(1 + valid);
            return Err(Kind::NotUtf8);
        }
        if self.dialect == Dialect::OpenMetrics
            && value.is_strange
            && memchr(b'\n', value.raw).is_some()
        {
            self.cursor = at_value;
            return Err(Kind::Unterminated);
        }
        self.is_clean &= !value.is_strange;
        self.end_label()?;
        let after = self.after(base);
        match (self.labels.get_mut(self.count), name) {
            (Some(old), None) => (old.value, old.start, old.after) = (value, start, after),
            (old, name) => {
                let behind_quote = self.text.len() - at_value.rest.len() + 1;
                let lead = self.text.get(start..behind_quote).unwrap_or_default();
                let label = Label { name: name.unwrap_or_default(), value, start, lead, after };
                match old {
                    Some(old) => *old = label,
                    None => self.labels.push(label),
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Refuses a series that has a label twice, at the second place.
    fn refuse_twice(&mut self) -> Result<(), Kind> {
        let Some(label) = find_twice(self.labels()) else { return Ok(()) };
        self.cursor.rest = self.text.get(label.start..).unwrap_or_default();
        Err(Kind::LabelTwice)
    }
}

/// The second of two labels with the same name. Takes n log n time for many labels.
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
