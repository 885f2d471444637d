use super::ExpositionErrorKind as Kind;
use memchr::{memchr, memchr3};

/// The rest of a text. After an error, it begins where the fault is.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Skips blanks and tabs. Returns whether there were any.
    #[inline]
    pub(super) fn skip_blanks(&mut self) -> bool {
        if !matches!(self.peek(), Some(b' ' | b'\t')) {
            return false;
        }
        let len = self.find(|byte| !matches!(byte, b' ' | b'\t'));
        self.advance(len);
        true
    }

    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn take_word(&mut self, word: &[u8]) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        self.rest = rest;
        true
    }

    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Kind> {
        if self.take(byte) { Ok(()) } else { Err(Kind::Expected(what)) }
    }

    /// Takes an unquoted name, if there is one.
    #[inline]
    pub(super) fn name(&mut self, is_part: fn(u8) -> bool) -> Option<&'a [u8]> {
        let first = self.peek()?;
        if first.is_ascii_digit() || !is_part(first) {
            return None;
        }
        Some(self.rest_of_name(is_part))
    }

    /// Takes as much as may be part of a name.
    #[inline]
    pub(super) fn rest_of_name(&mut self, is_part: fn(u8) -> bool) -> &'a [u8] {
        self.advance(self.find(|byte| !is_part(byte)))
    }

    /// Takes a quoted text.
    #[inline]
    pub(super) fn quoted(&mut self, what: &'static str) -> Result<Quoted<'a>, Kind> {
        let start = *self;
        self.expect(b'"', what)?;
        let inside = self.rest;
        let mut is_escaped = false;
        let mut is_strange = false;
        loop {
            let Some(len) = find_special(self.rest) else {
                *self = start;
                return Err(Kind::Unterminated);
            };
            self.advance(len);
            match self.rest {
                [b'"', ..] => {
                    let raw = inside.get(..inside.len() - self.rest.len()).unwrap_or_default();
                    self.advance(1);
                    return Ok(Quoted { raw, is_escaped, is_strange });
                }
                [b'\n', ..] => {
                    is_strange = true;
                    self.advance(1);
                }
                // Prometheus accepts any character after a backslash except a line feed.
                [b'\\', b'\n', ..] | [b'\\'] => {
                    *self = start;
                    return Err(Kind::Unterminated);
                }
                [_, escape, ..] => {
                    is_escaped = true;
                    is_strange |= !matches!(escape, b'\\' | b'"' | b'n');
                    self.advance(2);
                }
                _ => {}
            }
        }
    }

    /// Takes the rest of the line, without its line feed.
    #[inline]
    pub(super) fn line(&mut self) -> &'a [u8] {
        self.advance(memchr(b'\n', self.rest).unwrap_or(self.rest.len()))
    }

    /// Takes everything up to the next blank, tab or line feed.
    #[inline]
    pub(super) fn token(&mut self) -> &'a [u8] {
        self.advance(self.find(|byte| matches!(byte, b' ' | b'\t' | b'\n')))
    }

    /// Takes this many bytes, or all that are left.
    #[inline]
    pub(super) fn advance(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    #[inline]
    pub(super) fn is_at_line_end(&self) -> bool {
        self.peek().is_none_or(|byte| byte == b'\n')
    }

    /// The number of bytes before the first wanted one, or all.
    #[inline]
    fn find(&self, is_wanted: impl Fn(u8) -> bool) -> usize {
        self.rest.iter().position(|&byte| is_wanted(byte)).unwrap_or(self.rest.len())
    }
}

/// The length of the common prefix.
#[inline]
pub(super) fn common_prefix<'a>(one: &'a [u8], other: &'a [u8]) -> usize {
    let (ones, _) = one.as_chunks::<16>();
    let (others, _) = other.as_chunks::<16>();
    let mut len = 0;
    for (one, other) in ones.iter().zip(others) {
        let differing = u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other);
        if differing != 0 {
            return len + differing.trailing_zeros() as usize / 8;
        }
        len += 16;
    }
    // One of them has at most 15 bytes left.
    let rest = |all: &'a [u8]| all.get(len..).unwrap_or_default().iter();
    len + rest(one).zip(rest(other)).take_while(|(one, other)| one == other).count()
}

/// The position of the first quote, backslash or line feed. It is usually so close that starting a search does not pay.
#[inline]
fn find_special(text: &[u8]) -> Option<usize> {
    let (words, _) = text.as_chunks::<8>();
    let mut len = 0;
    for word in words.iter().take(3) {
        let word = u64::from_le_bytes(*word);
        let found = equal(word, b'"') | equal(word, b'\\') | equal(word, b'\n');
        if found != 0 {
            return Some(len + found.trailing_zeros() as usize / 8);
        }
        len += 8;
    }
    memchr3(b'"', b'\\', b'\n', text.get(len..)?).map(|more| len + more)
}

/// Sets the highest bit of the first byte equal to `byte`, counted from the lowest, and of none below it.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let differing = word ^ (ONES * byte as u64);
    differing.wrapping_sub(ONES) & !differing & (ONES << 7)
}

/// A quoted text, in its escaped form.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quoted<'a> {
    pub(super) raw: &'a [u8],
    /// Whether it has a backslash.
    pub(super) is_escaped: bool,
    /// Whether it has a raw line feed, or an escape other than `\\`, `\"` and `\n`.
    pub(super) is_strange: bool,
}

#[inline]
pub(super) fn is_label(byte: u8) -> bool {
    class(byte) == LABEL
}

#[inline]
pub(super) fn is_metric(byte: u8) -> bool {
    class(byte) != OTHER
}

#[inline]
fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(OTHER)
}

/// Which names a character may be part of: of metrics only, or of labels, too.
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
        {
            classes[byte] = match byte as u8 {
                b':' => METRIC,
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => LABEL,
                _ => OTHER,
            };
        }
        byte += 1;
    }
    classes
};
const OTHER: u8 = 0;
const METRIC: u8 = 1;
const LABEL: u8 = 2;

/// Whether the name may be written without quotes.
pub(super) fn is_plain(name: &[u8], is_part: fn(u8) -> bool) -> bool {
    name.first().is_some_and(|first| !first.is_ascii_digit())
        && name.iter().all(|&byte| is_part(byte))
}
