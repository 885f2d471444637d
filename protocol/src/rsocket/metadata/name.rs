use super::DecodeErrorKind;
use super::read::{Parsed, Source};
use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::be_u8;
use std::fmt;

/// A MIME type or authentication type that travels as text: 1 to 128 ASCII bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Bytes);

impl Name {
    /// The longest name, in bytes: the 7 bits of its length field hold one less than the length.
    pub const MAX_LEN: usize = 128;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// If it is empty, longer than [`Name::MAX_LEN`], or not ASCII.
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
        // ASCII since it was made, so the default is never taken.
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

/// Why a text cannot be the name of a MIME type or authentication type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no bytes.
    #[error("name is empty")]
    Empty,
    /// It is longer than [`Name::MAX_LEN`].
    #[error("name of {len} bytes is over its limit of {}", Name::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A byte of it is above 0x7F.
    #[error("name is not ASCII at byte {position}")]
    NotAscii {
        /// Which byte.
        position: usize,
    },
}

/// How a MIME type or authentication type travels. One byte comes first: with its top bit set it is an id, clear it is
/// the length of the name that follows, *minus one*.
///
/// The specification says "length" and "7 bits = max value 128", which only the minus one makes true, and
/// rsocket-java, -js and -py write it. (rsocket-go writes authentication types without it.)
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
                // 1 to 128 bytes since the name was made.
                out.put_uint(name.0.len().saturating_sub(1) as u64, 1);
                out.extend_from_slice(&name.0);
            }
        }
    }
}

impl Label<Name> {
    /// Reads either form; `first` and `field` are what errors call the first byte and the name.
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

/// Flags M and A: what follows in the byte is an id.
const ID: u8 = 0x80;
