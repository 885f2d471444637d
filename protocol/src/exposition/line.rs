//! One line of the text format 0.0.4, as Prometheus' own parser takes it.

use super::error::ExpositionErrorKind as Kind;

/// What a line turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `# EOF`
    Eof,
    /// Blank, HELP, or a comment.
    Ignored,
    /// A series with its value.
    Sample,
    /// TYPE
    Type,
}

/// Judges a line, given without its line feed.
pub(super) fn parse(line: &[u8]) -> Result<Line, Kind> {
    if memchr::memchr(0, line).is_some() {
        return Err(Kind::Nul);
    }
    match skip_blanks(line) {
        [] => Ok(Line::Ignored),
        [b'#', comment @ ..] => parse_comment(comment),
        sample => parse_sample(sample),
    }
}

fn parse_comment(comment: &[u8]) -> Result<Line, Kind> {
    let text = skip_blanks(comment);
    // Without a blank behind the hash it is a comment, whatever it says.
    if text.len() == comment.len() {
        return Ok(Line::Ignored);
    }
    let (word, rest) = take_word(text);
    match word {
        b"EOF" if skip_blanks(rest).is_empty() => Ok(Line::Eof),
        b"HELP" if !rest.is_empty() => {
            take_name(skip_blanks(rest))?;
            Ok(Line::Ignored)
        }
        b"TYPE" if !rest.is_empty() => {
            let rest = take_name(skip_blanks(rest))?;
            let (kind, rest) = take_word(skip_blanks(rest));
            let is_known =
                matches!(kind, b"counter" | b"gauge" | b"histogram" | b"summary" | b"untyped");
            let is_all = skip_blanks(rest).is_empty();
            if is_known && is_all { Ok(Line::Type) } else { Err(Kind::Type) }
        }
        _ => Ok(Line::Ignored),
    }
}

fn parse_sample(sample: &[u8]) -> Result<Line, Kind> {
    let rest = match sample {
        [b'{', labels @ ..] => take_labels(labels, true)?,
        _ => match skip_blanks(take_bare_name(sample)?) {
            [b'{', labels @ ..] => take_labels(labels, false)?,
            rest => rest,
        },
    };
    let (value, rest) = take_word(skip_blanks(rest));
    if !is_float(value) {
        return Err(Kind::Value);
    }
    let (timestamp, rest) = take_word(skip_blanks(rest));
    match timestamp {
        [] => return Ok(Line::Sample),
        [b'#', ..] => return Err(Kind::Exemplar),
        digits if is_timestamp(digits) => {}
        _ => return Err(Kind::Timestamp),
    }
    match skip_blanks(rest) {
        [] => Ok(Line::Sample),
        [b'#', ..] => Err(Kind::Exemplar),
        _ => Err(Kind::Trailing),
    }
}

/// Takes labels up to and with the closing brace. With `named`, the metric's name is among them, as a quoted text alone.
fn take_labels(mut rest: &[u8], named: bool) -> Result<&[u8], Kind> {
    let mut has_name = false;
    loop {
        rest = skip_blanks(rest);
        rest = match rest {
            [b'}', rest @ ..] if has_name || !named => return Ok(rest),
            [b'}', ..] => return Err(Kind::Name),
            [b'"', quoted @ ..] => {
                let after = skip_blanks(take_quoted(quoted)?);
                if let [b'=', ..] = after {
                    take_label_value(after)?
                } else if named && !has_name {
                    has_name = true;
                    after
                } else {
                    return Err(Kind::Labels { expected: "=" });
                }
            }
            _ => take_label_value(skip_blanks(take_label_name(rest)?))?,
        };
        rest = match skip_blanks(rest) {
            [b',', rest @ ..] => rest,
            rest @ [b'}', ..] => rest,
            _ => return Err(Kind::Labels { expected: "a comma or a closing brace" }),
        };
    }
}

fn take_label_value(rest: &[u8]) -> Result<&[u8], Kind> {
    let [b'=', rest @ ..] = rest else { return Err(Kind::Labels { expected: "=" }) };
    match skip_blanks(rest) {
        [b'"', quoted @ ..] => take_quoted(quoted),
        _ => Err(Kind::Labels { expected: "a quoted value" }),
    }
}

fn take_label_name(rest: &[u8]) -> Result<&[u8], Kind> {
    take_identifier(rest, |byte| byte.is_ascii_alphabetic() || byte == b'_')
        .ok_or(Kind::Labels { expected: "a label's name" })
}

/// Takes a metric's name, bare or quoted, that has to end at a blank or at the end.
fn take_name(rest: &[u8]) -> Result<&[u8], Kind> {
    let rest = match rest {
        [b'"', quoted @ ..] => take_quoted(quoted)?,
        _ => take_bare_name(rest)?,
    };
    match rest {
        [] | [b' ' | b'\t', ..] => Ok(rest),
        _ => Err(Kind::Name),
    }
}

fn take_bare_name(rest: &[u8]) -> Result<&[u8], Kind> {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
    take_identifier(rest, is_start).ok_or(Kind::Name)
}

/// Takes a byte that may start, and then all that may start or are digits.
fn take_identifier(rest: &[u8], is_start: impl Fn(u8) -> bool) -> Option<&[u8]> {
    let first = rest.first().filter(|byte| is_start(**byte))?;
    let is_part = |byte: &u8| is_start(*byte) || byte.is_ascii_digit();
    debug_assert!(is_part(first));
    let len = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    rest.get(len..)
}

/// Takes the rest of a quoted text and the closing quote. A backslash escapes whatever follows it.
fn take_quoted(mut rest: &[u8]) -> Result<&[u8], Kind> {
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest).ok_or(Kind::Unterminated)?;
        rest = match rest.get(at..) {
            Some([b'"', rest @ ..]) => return Ok(rest),
            Some([b'\\', _, rest @ ..]) => rest,
            _ => return Err(Kind::Unterminated),
        };
    }
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    bytes.get(blanks.unwrap_or(bytes.len())..).unwrap_or_default()
}

/// Splits before the first blank.
fn take_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let len = bytes.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(bytes.len());
    bytes.split_at_checked(len).unwrap_or((bytes, &[]))
}

/// What Go's `ParseFloat` takes, less hexadecimal and underscores, which Prometheus refuses. Unlike Rust it refuses a
/// signed NaN, and numbers out of range.
fn is_float(word: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(word) else { return false };
    let Ok(value) = text.parse::<f64>() else { return false };
    if value.is_nan() {
        return !text.starts_with(['+', '-']);
    }
    value.is_finite() || !text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_timestamp(word: &[u8]) -> bool {
    let digits = std::str::from_utf8(word).ok().filter(|_| word.iter().all(u8::is_ascii_digit));
    digits.is_some_and(|digits| digits.parse::<i64>().is_ok())
}
