//! A fuzzer's bytes, read as choices.

use bytes::Bytes;

/// What is left of a fuzzer's input. Every choice can be made: where bytes are missing, they are 0.
///
/// The format is that of these few methods and of nobody else, so that inputs keep their meaning.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of an input.
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// The same, which is then read again as something else.
    pub(crate) fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }

    /// Whether the lowest bit of a byte is set.
    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// A number below `bound`, which is from 1 to 256.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Four bytes.
    pub(crate) fn number(&mut self) -> u32 {
        (0..4).fold(0, |number, _| number << 8 | u32::from(self.byte()))
    }

    /// Eight bytes.
    pub(crate) fn long(&mut self) -> u64 {
        u64::from(self.number()) << 32 | u64::from(self.number())
    }

    /// Mostly a small number, at times any: one byte, or four more.
    pub(crate) fn some(&mut self, small: u32) -> u32 {
        match self.byte() {
            255 => self.number(),
            byte => u32::from(byte) % small,
        }
    }

    /// Up to 255 bytes, behind their length.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.take(len)
    }

    /// So many bytes, or what is left.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// Up to 255 bytes that are their own.
    pub(crate) fn owned(&mut self) -> Bytes {
        Bytes::copy_from_slice(self.bytes())
    }

    /// The same, or none.
    pub(crate) fn optional(&mut self) -> Option<Bytes> {
        self.flag().then(|| self.owned())
    }
}
