//! The base of all readers: takes fields off the front of metadata, with errors that say where.

use super::{DecodeError, DecodeErrorKind};
use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::take;

/// The rest of a reader's input, and the value that was read.
pub(super) type Parsed<'a, T> = Result<(&'a [u8], T), DecodeError>;

/// The metadata that fields are read from. Every `input` below must be a suffix of it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    whole: &'a Bytes,
    index: Option<usize>,
}

impl<'a> Source<'a> {
    /// The source of metadata that is one value, and all its bytes as the first input.
    pub(super) fn new(whole: &'a Bytes) -> (Self, &'a [u8]) {
        (Self { whole, index: None }, whole)
    }

    /// Runs a parser that takes `needed` bytes of any content, so it fails only if bytes are missing.
    pub(super) fn parse<T>(
        self,
        field: &'static str,
        needed: usize,
        mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
        input: &'a [u8],
    ) -> Parsed<'a, T> {
        let available = input.len();
        parser.parse(input).map_err(|_| {
            self.error(input, 0, DecodeErrorKind::Truncated { field, needed, available })
        })
    }

    /// Takes the next `len` bytes, as a reference-counted slice.
    pub(super) fn bytes(
        self,
        field: &'static str,
        len: usize,
        input: &'a [u8],
    ) -> Parsed<'a, Bytes> {
        let (input, bytes) = self.parse(field, len, take(len), input)?;
        Ok((input, self.slice(bytes)))
    }

    pub(super) fn slice(self, part: &'a [u8]) -> Bytes {
        self.whole.slice_ref(part)
    }

    /// An error `position` bytes after the front of `input`.
    pub(super) fn error(self, input: &[u8], position: usize, kind: DecodeErrorKind) -> DecodeError {
        let offset = self.whole.len().saturating_sub(input.len()) + position;
        DecodeError { index: self.index, offset, kind }
    }
}

/// Items of one kind, one after another up to the end of the metadata. Every iterator here is built on this.
#[derive(Clone)]
pub(super) struct Items {
    whole: Bytes,
    /// Where the next item begins. After a wrong item this is the end, since no further item can be found.
    at: usize,
    index: usize,
}

impl Items {
    pub(super) fn new(whole: Bytes) -> Self {
        Self { whole, at: 0, index: 0 }
    }

    /// Reads one item with `read`, which must take at least one byte, so that the iteration ends.
    pub(super) fn next_with<T>(
        &mut self,
        read: impl for<'a> FnOnce(Source<'a>, &'a [u8]) -> Parsed<'a, T>,
    ) -> Option<Result<T, DecodeError>> {
        let input = self.whole.get(self.at..).filter(|input| !input.is_empty())?;
        let source = Source { whole: &self.whole, index: Some(self.index) };
        let (left, item) = match read(source, input) {
            Ok((left, item)) => (left.len(), Ok(item)),
            Err(error) => (0, Err(error)),
        };
        self.at = self.whole.len().saturating_sub(left);
        self.index += 1;
        Some(item)
    }

    pub(super) fn remaining(&self) -> usize {
        self.whole.len().saturating_sub(self.at)
    }
}
