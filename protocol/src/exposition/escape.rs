//! Escapes in label values, help texts and names.

use super::cursor::{Quoted, is_plain};
use memchr::{memchr, memchr2, memchr3};
use std::borrow::Cow;

/// Resolves the escapes of a quoted text. Unknown escapes stand for themselves, as in Prometheus.
pub(super) fn unescape<'a>(quoted: &Quoted<'a>) -> Cow<'a, [u8]> {
    if !quoted.is_escaped {
        return Cow::Borrowed(quoted.raw);
    }
    let mut plain = Vec::with_capacity(quoted.raw.len());
    let mut rest = quoted.raw;
    while let Some(len) = memchr(b'\\', rest) {
        let (before, escape) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        plain.extend_from_slice(before);
        rest = match escape {
            [_, b'n', after @ ..] => {
                plain.push(b'\n');
                after
            }
            [_, byte @ (b'\\' | b'"'), after @ ..] => {
                plain.push(*byte);
                after
            }
            [backslash, after @ ..] => {
                plain.push(*backslash);
                after
            }
            [] => &[],
        };
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// Writes a quoted text so that every parser reads it the same way.
pub(super) fn write_quoted(quoted: &Quoted<'_>, out: &mut Vec<u8>) {
    if !quoted.is_strange {
        out.extend_from_slice(quoted.raw);
        return;
    }
    let mut rest = quoted.raw;
    while let Some(len) = memchr2(b'\\', b'\n', rest) {
        let (before, special) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        rest = match special {
            [b'\\', escape @ (b'\\' | b'"' | b'n'), after @ ..] => {
                out.extend_from_slice(&[b'\\', *escape]);
                after
            }
            [b'\n', after @ ..] => {
                out.extend_from_slice(b"\\n");
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

/// Writes plain text in escaped form, for quotes.
pub(super) fn write_plain(plain: &[u8], out: &mut Vec<u8>) {
    let mut rest = plain;
    while let Some(len) = memchr3(b'\\', b'"', b'\n', rest) {
        let (before, special) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let Some((&byte, after)) = special.split_first() else { return };
        out.extend_from_slice(match byte {
            b'\n' => b"\\n",
            b'"' => b"\\\"",
            _ => b"\\\\",
        });
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// The name, with an underscore in place of each character outside the legacy set.
pub(super) fn underscores<'a>(name: &'a [u8], is_part: fn(u8) -> bool) -> Cow<'a, [u8]> {
    if is_plain(name, is_part) {
        return Cow::Borrowed(name);
    }
    let text = String::from_utf8_lossy(name);
    let legacy = text.chars().enumerate().map(|(position, char)| match u8::try_from(char) {
        Ok(byte) if is_part(byte) && (position > 0 || !byte.is_ascii_digit()) => byte,
        _ => b'_',
    });
    Cow::Owned(legacy.collect())
}
