use super::DecodeErrorKind;
use super::read::{Parsed, Source};
use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::be_u8;
use std::fmt;

/// A MIME type or authentication type that is sent as text: 1 to 128 ASCII bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Bytes);

impl Name {
    /// The longest name, in bytes: its 7-bit length field holds the length minus one.
    pub const MAX_LEN: usize = 128;

    /// Creates a name from text.
    ///
    /// # Errors
    ///
    /// The text is empty, longer than [`Name::MAX_LEN`] bytes, or not ASCII.
    pub fn new(text: impl Into<Bytes>) -> Result<Self, NameError> {
        let bytes = text.into();
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if bytes.len() > Self::MAX_LEN {
            return Err(NameError::TooLong { len: bytes.len() });
        }
        match first_non_ascii(&bytes) {
            Some(position) => Err(NameError::NotAscii { position }),
            None => Ok(Self(bytes)),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        // `Name` is always ASCII, so the default is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Why a text is not a valid name of a MIME type or authentication type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text has no bytes.
    #[error("name is empty")]
    Empty,
    /// The text is longer than [`Name::MAX_LEN`] bytes.
    #[error("name of {len} bytes is over its limit of {}", Name::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A byte is above 0x7F.
    #[error("name is not ASCII at byte {position}")]
    NotAscii {
        /// The position of the first such byte, from 0.
        position: usize,
    },
}

/// A MIME type or authentication type on the wire. If the top bit of the first byte is set, its other bits are an id. If it is
/// clear, they are the length of the name that follows, *minus one*.
///
/// The specification says "length" and "7 bits = max value 128". Only the minus one makes both true, and rsocket-java, -js and
/// -py write it. (rsocket-go writes authentication types without it.)
#[derive(Clone, Copy)]
pub(super) enum Label<N> {
    Id(u8),
    Name(N),
}

impl Label<&Name> {
    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Self::Id(_) => 1,
            Self::Name(name) => 1 + name.0.len(),
        }
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Id(id) => out.put_u8(ID | id),
            Self::Name(name) => {
                // `Name` always has 1 to 128 bytes.
                out.put_uint(name.0.len().saturating_sub(1) as u64, 1);
                out.extend_from_slice(&name.0);
            }
        }
    }
}

impl Label<Name> {
    /// Reads either form. Errors call the first byte `first` and the name `field`.
    pub(super) fn read<'a>(
        source: Source<'a>,
        (first, field): (&'static str, &'static str),
        input: &'a [u8],
    ) -> Parsed<'a, Self> {
        let (input, byte) = source.parse(first, 1, be_u8, input)?;
        if byte & ID != 0 {
            return Ok((input, Self::Id(byte & !ID)));
        }
        let (left, name) = source.bytes(field, usize::from(byte) + 1, input)?;
        match first_non_ascii(&name) {
            Some(position) => {
                Err(source.error(input, position, DecodeErrorKind::NotAscii { field }))
            }
            None => Ok((left, Self::Name(Name(name)))),
        }
    }
}

fn first_non_ascii(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| !byte.is_ascii())
}

/// Flags M and A: the rest of the byte is an id.
const ID: u8 = 0x80;
