use super::ExpositionErrorKind as Kind;
use super::{Limits, float};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `# EOF`, which ends an OpenMetrics text.
    Eof,
    /// Blank, a comment, or `HELP`.
    Other,
    /// A value.
    Series { quoted: bool, timestamped: bool },
    /// `TYPE`.
    Type,
}

/// Reads a line without its line break. An error has the position in the line, counted from 0.
pub(super) fn parse(line: &[u8], limits: &Limits) -> Result<Line, (usize, Kind)> {
    let limit = limits.max_line_len;
    if line.len() > limit {
        return Err((limit, Kind::LineTooLong { len: line.len(), limit }));
    }
    let mut cursor = Cursor { rest: line };
    let parsed = parse_at(&mut cursor, limits);
    parsed.map_err(|kind| (line.len() - cursor.rest.len(), kind))
}

fn parse_at(cursor: &mut Cursor<'_>, limits: &Limits) -> Result<Line, Kind> {
    cursor.skip_blanks();
    match cursor.peek() {
        None => Ok(Line::Other),
        Some(b'#') => comment(cursor),
        Some(_) => series(cursor, limits),
    }
}

fn comment(cursor: &mut Cursor<'_>) -> Result<Line, Kind> {
    cursor.take(b'#');
    if !cursor.skip_blanks() {
        return Ok(Line::Other);
    }
    if cursor.rest.trim_ascii_end() == b"EOF" {
        return Ok(Line::Eof);
    }
    if cursor.take_keyword(b"HELP") {
        metadata_name(cursor)?;
        return Ok(Line::Other);
    }
    if cursor.take_keyword(b"TYPE") {
        metadata_name(cursor)?;
        return metric_type(cursor);
    }
    Ok(Line::Other)
}

/// The name in a `HELP` or `TYPE` line. What follows it must not be glued to it: Prometheus would take off one byte.
fn metadata_name(cursor: &mut Cursor<'_>) -> Result<(), Kind> {
    if cursor.peek() == Some(b'"') {
        let start = *cursor;
        if cursor.quoted()?.is_empty() {
            *cursor = start;
            return Err(Kind::MetricName);
        }
    } else {
        cursor.name(is_metric_start, is_metric).ok_or(Kind::MetricName)?;
    }
    match cursor.peek() {
        None | Some(b' ' | b'\t') => Ok(()),
        Some(_) => Err(Kind::MetricName),
    }
}

/// The type. Prometheus takes one byte off the text behind the name, and compares what is left.
fn metric_type(cursor: &mut Cursor<'_>) -> Result<Line, Kind> {
    if !(cursor.take(b' ') || cursor.take(b'\t')) {
        return Err(Kind::Type);
    }
    match cursor.rest {
        b"counter" | b"gauge" | b"histogram" | b"summary" | b"untyped" => Ok(Line::Type),
        b"gaugehistogram" => Err(Kind::OpenMetricsType("gaugehistogram")),
        b"info" => Err(Kind::OpenMetricsType("info")),
        b"stateset" => Err(Kind::OpenMetricsType("stateset")),
        b"unknown" => Err(Kind::OpenMetricsType("unknown")),
        _ => Err(Kind::Type),
    }
}

fn series(cursor: &mut Cursor<'_>, limits: &Limits) -> Result<Line, Kind> {
    let named = cursor.name(is_metric_start, is_metric).is_some();
    if !named && cursor.peek() != Some(b'{') {
        return Err(Kind::MetricName);
    }
    let separated = cursor.skip_blanks();
    let mut quoted = false;
    if cursor.take(b'{') {
        quoted = labels(cursor, named, limits)?;
        cursor.skip_blanks();
    } else if !separated && cursor.peek().is_some() {
        return Err(Kind::MetricName);
    }
    value(cursor)?;
    let timestamped = timestamp(cursor)?;
    Ok(Line::Series { quoted, timestamped })
}

/// What is inside the braces, and the closing one. Tells whether any name is in quotes.
fn labels(cursor: &mut Cursor<'_>, mut named: bool, limits: &Limits) -> Result<bool, Kind> {
    let mut seen = Seen::default();
    let mut any_quoted = false;
    loop {
        cursor.skip_blanks();
        if cursor.take(b'}') {
            break;
        }
        let before = *cursor;
        let (name, quoted) = label_name(cursor)?;
        any_quoted |= quoted;
        cursor.skip_blanks();
        if quoted && matches!(cursor.peek(), Some(b',' | b'}')) {
            let kind = if name.is_empty() { Kind::MetricName } else { Kind::MetricNameTwice };
            if named || name.is_empty() {
                *cursor = before;
                return Err(kind);
            }
            named = true;
        } else {
            if let Err(kind) = seen.add(name, limits.max_labels) {
                *cursor = before;
                return Err(kind);
            }
            cursor.expect(b'=', "the = after a label name")?;
            cursor.skip_blanks();
            cursor.quoted()?;
            cursor.skip_blanks();
        }
        if !cursor.take(b',') && cursor.peek() != Some(b'}') {
            return Err(Kind::Expected("the comma or closing brace after a label"));
        }
    }
    if named { Ok(any_quoted) } else { Err(Kind::MetricNameMissing) }
}

/// A label's name, or a metric's if in quotes, and whether it is in quotes.
fn label_name<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], bool), Kind> {
    match cursor.peek() {
        Some(b'"') => cursor.quoted().map(|name| (name, true)),
        None => Err(Kind::Expected("the closing brace of the labels")),
        Some(_) => {
            cursor.name(is_label_start, is_label).map(|name| (name, false)).ok_or(Kind::LabelName)
        }
    }
}

fn value(cursor: &mut Cursor<'_>) -> Result<(), Kind> {
    let len = cursor.find(|byte| matches!(byte, b' ' | b'\t'));
    let token = cursor.rest.get(..len).unwrap_or_default();
    if token.is_empty() {
        return Err(Kind::Expected("the value"));
    }
    float::check(token)?;
    cursor.advance(len);
    Ok(())
}

/// The timestamp, if there is one, and the end of the line.
fn timestamp(cursor: &mut Cursor<'_>) -> Result<bool, Kind> {
    cursor.skip_blanks();
    match cursor.peek() {
        None => return Ok(false),
        Some(b'#') => return Err(Kind::Exemplar),
        Some(_) => {}
    }
    let len = cursor.find(|byte| matches!(byte, b' ' | b'\t'));
    let token = cursor.rest.get(..len).unwrap_or_default();
    if !is_timestamp(token) {
        return Err(Kind::Timestamp);
    }
    cursor.advance(len);
    cursor.skip_blanks();
    match cursor.peek() {
        None => Ok(true),
        Some(b'#') => Err(Kind::Exemplar),
        Some(_) => Err(Kind::Trailing),
    }
}

/// Digits that make no more than 2^63 - 1. Prometheus takes no sign.
fn is_timestamp(token: &[u8]) -> bool {
    token.iter().all(u8::is_ascii_digit)
        && (token.len() <= 18
            || std::str::from_utf8(token).is_ok_and(|token| token.parse::<i64>().is_ok()))
}

/// The label names of a series so far.
#[derive(Default)]
struct Seen<'a> {
    few: [&'a [u8]; 16],
    more: Vec<&'a [u8]>,
    count: usize,
}

impl<'a> Seen<'a> {
    fn add(&mut self, name: &'a [u8], limit: usize) -> Result<(), Kind> {
        if name.is_empty() {
            return Err(Kind::LabelName);
        }
        if name == b"__name__" {
            return Err(Kind::LabelNameReserved);
        }
        if self.count == limit {
            return Err(Kind::TooManyLabels { limit });
        }
        if self.few.iter().take(self.count).chain(&self.more).any(|&seen| seen == name) {
            return Err(Kind::LabelTwice);
        }
        match self.few.get_mut(self.count) {
            Some(slot) => *slot = name,
            None => self.more.push(name),
        }
        self.count += 1;
        Ok(())
    }
}

/// What is left of a line. Where something is wrong, it is left standing there.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Passes over blanks and tells whether there were any.
    fn skip_blanks(&mut self) -> bool {
        let len = self.find(|byte| !matches!(byte, b' ' | b'\t'));
        self.advance(len);
        len > 0
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Kind> {
        if self.take(byte) { Ok(()) } else { Err(Kind::Expected(what)) }
    }

    /// Takes a word and the blanks behind it, if it is this one and there are any.
    fn take_keyword(&mut self, word: &[u8]) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        let mut after = Self { rest };
        let is_keyword = after.skip_blanks();
        if is_keyword {
            *self = after;
        }
        is_keyword
    }

    fn name(&mut self, is_start: fn(u8) -> bool, is_part: fn(u8) -> bool) -> Option<&'a [u8]> {
        let first = self.peek()?;
        if !is_start(first) {
            return None;
        }
        Some(self.advance(self.find(|byte| !is_part(byte))))
    }

    /// Takes text in quotes and gives what is between them, still escaped.
    fn quoted(&mut self) -> Result<&'a [u8], Kind> {
        let start = *self;
        self.expect(b'"', "the opening quote of a label value")?;
        let inside = self.rest;
        loop {
            self.advance(self.find(|byte| matches!(byte, b'"' | b'\\')));
            let len = inside.len() - self.rest.len();
            match self.rest {
                [b'"', ..] => {
                    self.advance(1);
                    return Ok(inside.get(..len).unwrap_or_default());
                }
                [b'\\', b'\\' | b'"' | b'n', ..] => {
                    self.advance(2);
                }
                [b'\\', _, ..] => return Err(Kind::Escape),
                _ => {
                    *self = start;
                    return Err(Kind::Unterminated);
                }
            }
        }
    }

    /// Takes this many bytes, or what is left.
    fn advance(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// How many bytes there are before the first one that is wanted, or to the end.
    #[inline]
    fn find(&self, is_wanted: impl Fn(u8) -> bool) -> usize {
        self.rest.iter().position(|&byte| is_wanted(byte)).unwrap_or(self.rest.len())
    }
}

fn is_label_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_metric_start(byte: u8) -> bool {
    is_label_start(byte) || byte == b':'
}

fn is_metric(byte: u8) -> bool {
    is_label(byte) || byte == b':'
}
