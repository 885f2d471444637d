//! The differences of OpenMetrics: exactly one blank where one is required and none elsewhere, units, exemplars, timestamps in seconds.

use super::{Entry, Kind, Name, Reader};
use crate::exposition::float;

/// The timestamp and the exemplar, if any.
type Tail<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

impl<'a> Reader<'a> {
    pub(super) fn open_metrics_entry(&mut self) -> Result<Entry<'a>, Kind> {
        if !self.cursor.take_word(b"# ") {
            return self.sample();
        }
        if self.cursor.take_word(b"HELP ") {
            return self.help();
        }
        if self.cursor.take_word(b"TYPE ") {
            return self.metric_type();
        }
        if self.cursor.take_word(b"UNIT ") {
            return self.unit();
        }
        if self.cursor.take_word(b"EOF") && self.cursor.is_at_line_end() {
            self.is_clean = false;
            return Ok(Entry::Eof);
        }
        Err(Kind::Expected("HELP, TYPE, UNIT or EOF"))
    }

    fn unit(&mut self) -> Result<Entry<'a>, Kind> {
        let name = self.metadata_name()?;
        self.cursor.expect(b' ', "the blank before the unit")?;
        let before = self.cursor;
        let unit = self.cursor.line();
        self.is_clean = false;
        if !is_unit_of(&name, unit) {
            self.cursor = before;
            return Err(Kind::Unit);
        }
        Ok(if self.is_served(name) { Entry::Unit { name, unit } } else { Entry::Comment })
    }

    /// Reads what follows the value, to the end of the line.
    pub(super) fn open_metrics_tail(&mut self) -> Result<Tail<'a>, Kind> {
        if self.cursor.is_at_line_end() {
            return Ok((None, None));
        }
        if self.cursor.take_word(b" # {") {
            return Ok((None, Some(self.exemplar()?)));
        }
        let timestamp = self.seconds()?;
        if self.cursor.is_at_line_end() {
            return Ok((Some(timestamp), None));
        }
        if self.cursor.take_word(b" # {") {
            return Ok((Some(timestamp), Some(self.exemplar()?)));
        }
        Err(Kind::Trailing)
    }

    /// Reads a timestamp after its blank.
    fn seconds(&mut self) -> Result<&'a [u8], Kind> {
        if !self.cursor.take(b' ') {
            return Err(Kind::Timestamp);
        }
        let before = self.cursor;
        let token = self.cursor.token();
        let is_finite = token.last().is_some_and(|last| last.is_ascii_digit() || *last == b'.');
        if !is_finite || float::check(token).is_err() {
            self.cursor = before;
            return Err(Kind::Timestamp);
        }
        Ok(token)
    }

    /// Reads an exemplar after its opening brace. Returns it with the brace.
    fn exemplar(&mut self) -> Result<&'a [u8], Kind> {
        let start = self.position() - 1;
        loop {
            if self.cursor.take(b'}') {
                break;
            }
            let name = self.label_name()?;
            self.cursor.expect(b'=', "the = after a label name")?;
            let value = self.cursor.quoted("the opening quote of a label value")?;
            let Name { text, .. } = name;
            if !self.is_utf8_part(value.raw) || !self.is_utf8_part(text.raw) {
                return Err(Kind::NotUtf8);
            }
            if memchr::memchr(b'\n', value.raw).is_some() {
                return Err(Kind::Unterminated);
            }
            if !self.cursor.take(b',') && self.cursor.peek() != Some(b'}') {
                return Err(Kind::Expected("the comma or closing brace after a label"));
            }
        }
        self.cursor.expect(b' ', "the blank before the exemplar's value")?;
        self.value()?;
        if !self.cursor.is_at_line_end() {
            self.seconds()?;
        }
        if !self.cursor.is_at_line_end() {
            return Err(Kind::Trailing);
        }
        Ok(self.text.get(start..self.position()).unwrap_or_default())
    }
}

fn is_unit_of(name: &Name<'_>, unit: &[u8]) -> bool {
    let stem = name.text.raw.strip_suffix(unit);
    unit.is_empty() || stem.is_some_and(|stem| stem.ends_with(b"_"))
}
