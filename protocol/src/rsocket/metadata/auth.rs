use super::encode::Content;
use super::name::Label;
use super::read::{Parsed, Source};
use super::{DecodeError, DecodeErrorKind, EncodeError, Hidden, MimeId, Name, NameError};
use crate::rsocket::frame::within;
use bytes::{BufMut, Bytes, BytesMut};
use nom::bytes::complete::take;
use nom::number::complete::be_u16;
use std::fmt;

/// Authentication metadata (Extensions/Security/Authentication.md): an authentication type, and a payload in the format of that
/// type.
///
/// [`Authentication::credentials`] reads the two types that the specification defines; [`Credentials`] encodes them. To send a
/// type of your own, encode an `Authentication`. `Debug` does not show the payload.
///
/// rsocket-go 0.8 writes a length that is one too high for a type sent as *text*. Such a type looks like a longer name, so
/// neither this reader nor rsocket-java can read it. Types that rsocket-go sends as ids are read correctly.
#[derive(Clone, PartialEq, Eq)]
pub struct Authentication {
    /// The authentication type, which determines the format of the payload.
    pub auth_type: AuthType,
    /// The credentials. They extend to the end of the metadata.
    pub payload: Bytes,
}

impl Authentication {
    /// Decodes `metadata` of the MIME type [`MimeId::AUTHENTICATION`]. The payload is a slice of it.
    ///
    /// # Errors
    ///
    /// The metadata ends inside the type, or the type is text that is not ASCII.
    pub fn decode(metadata: Bytes) -> Result<Self, DecodeError> {
        let (source, input) = Source::new(&metadata);
        let (input, auth_type) = AuthType::read(source, input)?;
        Ok(Self { auth_type, payload: source.slice(input) })
    }

    /// Reads a payload of type `simple` or `bearer`, whose texts borrow from it. Returns `None` for any other type.
    ///
    /// # Errors
    ///
    /// The payload ends inside the user name or its length, or a text is not UTF-8. Offsets count from the start of the payload.
    pub fn credentials(&self) -> Result<Option<Credentials<'_>>, DecodeError> {
        let (source, input) = Source::new(&self.payload);
        Ok(match self.auth_type.well_known() {
            Some(AuthId::SIMPLE) => {
                let (input, len) = source.parse("username length", 2, be_u16, input)?;
                let (input, username) = utf8(source, "username", usize::from(len), input)?;
                let (_, password) = utf8(source, "password", input.len(), input)?;
                Some(Credentials::Simple { username, password })
            }
            Some(AuthId::BEARER) => {
                let (_, token) = utf8(source, "bearer token", input.len(), input)?;
                Some(Credentials::Bearer { token })
            }
            _ => None,
        })
    }
}

impl Content for Authentication {
    const MIME: MimeId = MimeId::AUTHENTICATION;

    fn check(&self) -> Result<usize, EncodeError> {
        Ok(self.auth_type.label().encoded_len() + self.payload.len())
    }

    fn write(&self, out: &mut BytesMut) {
        self.auth_type.label().write(out);
        out.extend_from_slice(&self.payload);
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = Hidden(self.payload.len());
        let mut debug = f.debug_struct("Authentication");
        debug.field("auth_type", &self.auth_type).field("payload", &payload).finish()
    }
}

/// Credentials of the types that the specification defines (Extensions/Security/Simple.md and Bearer.md).
///
/// They are sent in clear text, so the transport must be encrypted. `Debug` shows none of them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// Type `simple`.
    Simple {
        /// The user name, at most [`Credentials::MAX_USERNAME`] bytes.
        username: &'a str,
        /// The password. It extends to the end of the metadata.
        password: &'a str,
    },
    /// Type `bearer`.
    Bearer {
        /// The token. It extends to the end of the metadata.
        token: &'a str,
    },
}

impl Credentials<'_> {
    /// The longest user name, in bytes: its length field has 16 bits.
    pub const MAX_USERNAME: usize = 0xffff;

    fn auth_type(&self) -> AuthType {
        AuthType::WellKnown(match self {
            Self::Simple { .. } => AuthId::SIMPLE,
            Self::Bearer { .. } => AuthId::BEARER,
        })
    }
}

impl Content for Credentials<'_> {
    const MIME: MimeId = MimeId::AUTHENTICATION;

    fn check(&self) -> Result<usize, EncodeError> {
        let len = match self {
            Self::Simple { username, password } => {
                within("username", username.len(), Self::MAX_USERNAME)?;
                2 + username.len() + password.len()
            }
            Self::Bearer { token } => token.len(),
        };
        Ok(self.auth_type().label().encoded_len() + len)
    }

    fn write(&self, out: &mut BytesMut) {
        self.auth_type().label().write(out);
        match self {
            Self::Simple { username, password } => {
                out.put_uint(username.len() as u64, 2);
                out.extend_from_slice(username.as_bytes());
                out.extend_from_slice(password.as_bytes());
            }
            Self::Bearer { token } => out.extend_from_slice(token.as_bytes()),
        }
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simple { .. } => "Simple { .. }",
            Self::Bearer { .. } => "Bearer { .. }",
        })
    }
}

/// An authentication type in the form in which it is sent: as a 7-bit id, or as text.
///
/// Two values are equal if they have the same bytes on the wire; use [`AuthType::well_known`] to compare what they mean.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthType {
    /// An id, in the table of WellKnownAuthTypes.md or not.
    WellKnown(AuthId),
    /// Text.
    Named(Name),
}

impl AuthType {
    /// Creates the shortest form of an authentication type: its id if it is well-known, else the text.
    ///
    /// # Errors
    ///
    /// The text is not a valid [`Name`].
    pub fn named(text: impl Into<Bytes>) -> Result<Self, NameError> {
        let name = Name::new(text)?;
        Ok(AuthId::from_name(name.as_str()).map_or(Self::Named(name), Self::WellKnown))
    }

    /// The id, even if a well-known type came as text; `None` for any other text.
    pub fn well_known(&self) -> Option<AuthId> {
        match self {
            Self::WellKnown(id) => Some(*id),
            Self::Named(name) => AuthId::from_name(name.as_str()),
        }
    }

    fn read<'a>(source: Source<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let fields = ("authentication ID or length", "authentication type");
        let (input, label) = Label::read(source, fields, input)?;
        let auth_type = match label {
            Label::Id(id) => Self::WellKnown(AuthId(id)),
            Label::Name(name) => Self::Named(name),
        };
        Ok((input, auth_type))
    }

    fn label(&self) -> Label<&Name> {
        match self {
            Self::WellKnown(id) => Label::Id(id.0),
            Self::Named(name) => Label::Name(name),
        }
    }
}

impl From<AuthId> for AuthType {
    fn from(id: AuthId) -> Self {
        Self::WellKnown(id)
    }
}

/// The text, or the number of an id that has no text.
impl fmt::Display for AuthType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WellKnown(id) => id.fmt(f),
            Self::Named(name) => name.fmt(f),
        }
    }
}

/// The id of a well-known authentication type (Extensions/Security/WellKnownAuthTypes.md): 7 bits.
///
/// All 128 ids can be read and written, so that ids from a newer peer can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthId(u8);

impl AuthId {
    /// `simple`: user name and password.
    pub const SIMPLE: Self = Self(0x00);
    /// `bearer`: a token.
    pub const BEARER: Self = Self(0x01);

    /// The id with this number; `None` above 0x7F.
    pub const fn new(id: u8) -> Option<Self> {
        if id < 0x80 { Some(Self(id)) } else { None }
    }

    /// The id as a number, at most 0x7F.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The type as text; `None` if the specification's table does not have the id.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::SIMPLE => Some("simple"),
            Self::BEARER => Some("bearer"),
            _ => None,
        }
    }

    /// The id of a type; `None` if the specification's table does not have it.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SIMPLE, Self::BEARER].into_iter().find(|id| id.name() == Some(name))
    }
}

/// The text of a known id, or the number of any other.
impl fmt::Display for AuthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => name.fmt(f),
            None => write!(f, "well-known authentication type {:#04x}", self.0),
        }
    }
}

/// Takes the next `len` bytes as text. An error points to the first byte that is not UTF-8.
fn utf8<'a>(
    source: Source<'a>,
    field: &'static str,
    len: usize,
    input: &'a [u8],
) -> Parsed<'a, &'a str> {
    let (left, bytes) = source.parse(field, len, take(len), input)?;
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((left, text)),
        Err(error) => {
            Err(source.error(input, error.valid_up_to(), DecodeErrorKind::NotUtf8 { field }))
        }
    }
}
