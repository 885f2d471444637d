//! The token that an application presents in SETUP: credentials of type `bearer` in RSocket's authentication extension.

use crate::rsocket::frame::Setup;
use crate::rsocket::metadata::{Authentication, Credentials, Metadata, MimeId};
use bytes::{Bytes, BytesMut};
use std::fmt;
use zeroize::Zeroizing;

/// A secret that identifies an application. `Debug` hides it, and its memory is cleared when it is dropped.
///
/// A token has 1 to [`Token::MAX_LEN`] bytes of visible ASCII, without spaces.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<Box<str>>);

impl Token {
    /// The maximum length of a token, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Makes a token from a copy of `text`.
    ///
    /// # Errors
    ///
    /// If the text is empty, too long, or has a character that is not visible ASCII.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(TokenError::TooLong { len: text.len() });
        }
        match text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            Some(at) => Err(TokenError::Character { at }),
            None => Ok(Self(Zeroizing::new(text.into()))),
        }
    }

    /// Returns the secret.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads the token of a SETUP. Returns `None` if its metadata is not composite or has no authentication entry.
    ///
    /// # Errors
    ///
    /// If the authentication entry cannot be read, is of another type than `bearer`, or holds an invalid token.
    pub fn of_setup(setup: &Setup) -> Result<Option<Self>, TokenError> {
        if setup.metadata_mime != MimeId::COMPOSITE_METADATA.name().unwrap_or_default().as_bytes() {
            return Ok(None);
        }
        let metadata = setup.payload.metadata.clone().unwrap_or_default();
        let mime = MimeId::AUTHENTICATION.name().unwrap_or_default();
        let Some(content) = crate::fields::find_entry(metadata, mime) else { return Ok(None) };
        let authentication = Authentication::decode(content).map_err(|_| TokenError::Unreadable)?;
        match authentication.credentials() {
            Ok(Some(Credentials::Bearer { token })) => Self::new(token).map(Some),
            Ok(_) => Err(TokenError::Kind),
            Err(_) => Err(TokenError::Unreadable),
        }
    }

    /// Adds the token to a SETUP. Does nothing if the SETUP has metadata that is not composite.
    pub fn add_to(&self, setup: &mut Setup) {
        let composite = MimeId::COMPOSITE_METADATA.name().unwrap_or_default();
        let metadata = setup.payload.metadata.clone();
        if metadata.is_none() {
            setup.metadata_mime = Bytes::from_static(composite.as_bytes());
        }
        if setup.metadata_mime == composite.as_bytes() {
            setup.payload.metadata = Some(self.append_to(&metadata.unwrap_or_default()));
        }
    }

    /// Returns composite metadata with the token appended, for a SETUP. The token is not encrypted there.
    pub fn append_to(&self, metadata: &Bytes) -> Bytes {
        let mut out = BytesMut::from(&**metadata);
        // A token is far below the limit of an entry.
        let _ = Credentials::Bearer { token: self.expose() }.encode_entry(&mut out);
        out.freeze()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why something is not a valid token. Reveals nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It has a character that is not visible ASCII.
    #[error("the token has a character at byte {at} that is not visible ASCII")]
    Character {
        /// The offset of the character, in bytes.
        at: usize,
    },
    /// It is empty.
    #[error("the token is empty")]
    Empty,
    /// The credentials are of another type.
    #[error("the credentials are not of type bearer")]
    Kind,
    /// It is longer than [`Token::MAX_LEN`].
    #[error("a token of {len} bytes is over the limit of {}", Token::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The authentication metadata is malformed.
    #[error("the authentication metadata cannot be read")]
    Unreadable,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Payload;
    use crate::hello::Hello;
    use crate::labels::Labels;
    use crate::rsocket::metadata::Entry;

    fn setup(metadata: Bytes) -> Setup {
        let mime = MimeId::COMPOSITE_METADATA.name().unwrap();
        let payload = Payload::new(metadata, Bytes::new());
        Setup { metadata_mime: mime.into(), payload, ..Setup::default() }
    }

    #[test]
    fn a_token_travels_beside_the_hello() {
        let hello = Hello::new(Labels::new([("instance", "a")]).unwrap(), "orders/1");
        let token = Token::new("s3cret").unwrap();
        let setup = setup(token.append_to(&hello.encode()));
        assert_eq!(Token::of_setup(&setup), Ok(Some(token)));
        assert_eq!(Hello::of_setup(&setup), Ok(hello));
    }

    #[test]
    fn a_setup_without_composite_metadata_gets_some_or_stays_as_it_is() {
        let token = Token::new("s3cret").unwrap();
        let mut bare = Setup::default();
        token.add_to(&mut bare);
        assert_eq!(Token::of_setup(&bare), Ok(Some(token.clone())));
        let payload = Payload::new(&b"x"[..], Bytes::new());
        let mut other = Setup { payload, ..Setup::default() };
        token.add_to(&mut other);
        assert_eq!(other.payload.metadata.as_deref(), Some(&b"x"[..]));
    }

    #[test]
    fn without_one_there_is_none() {
        assert_eq!(Token::of_setup(&Setup::default()), Ok(None));
        assert_eq!(Token::of_setup(&setup(Hello::default().encode())), Ok(None));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        assert_eq!(Token::new(""), Err(TokenError::Empty));
        assert_eq!(Token::new("a b"), Err(TokenError::Character { at: 1 }));
        assert_eq!(Token::new("ä"), Err(TokenError::Character { at: 0 }));
        let long = "x".repeat(4097);
        assert_eq!(Token::new(&long), Err(TokenError::TooLong { len: 4097 }));
        let entry = |content: &'static [u8]| {
            let mut out = BytesMut::new();
            let entry = Entry::new(MimeId::AUTHENTICATION, Bytes::from_static(content));
            entry.encode(&mut out).unwrap();
            Token::of_setup(&setup(out.freeze()))
        };
        assert_eq!(entry(b""), Err(TokenError::Unreadable));
        assert_eq!(entry(b"\x80\0\x01up"), Err(TokenError::Kind));
        assert_eq!(entry(b"\x81\xff"), Err(TokenError::Unreadable));
        assert_eq!(entry(b"\x81ok"), Ok(Some(Token::new("ok").unwrap())));
    }

    #[test]
    fn nothing_shows_it() {
        assert_eq!(format!("{:?}", Token::new("s3cret").unwrap()), "Token(..)");
    }
}
