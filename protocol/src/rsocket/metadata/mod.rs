//! The metadata extensions of RSocket (`Extensions/` of its specification), as values, and their encoding.
//!
//! SETUP declares the type of all metadata of a connection, as a MIME type in text ([`MimeId::name`]). Each reader here takes
//! the bytes of one MIME type. With composite metadata, [`MimeId::COMPOSITE_METADATA`], each entry has a MIME type of its own.
//!
//! | MIME type | written by | read by |
//! |---|---|---|
//! | [`MimeId::COMPOSITE_METADATA`] | [`Metadata::encode_entry`], [`Entry::encode`], one after another | [`Entries`] |
//! | [`MimeId::ROUTING`] | [`Routing`] | [`Tags`] |
//! | [`MimeId::AUTHENTICATION`] | [`Credentials`], [`Authentication`] | [`Authentication::decode`] |
//! | [`MimeId::MIME_TYPE`] | [`DataMimeType`] | [`DataMimeType::decode`] |
//! | [`MimeId::ACCEPT_MIME_TYPES`] | [`AcceptMimeTypes`] | [`MimeTypes`] |
//! | [`MimeId::TRACING_ZIPKIN`] | [`Tracing`] | [`Tracing::decode`] |
//!
//! Readers copy nothing: texts and contents borrow from the input or are reference-counted slices of it, which keep its buffer
//! alive. Lists are read one item at a time, with no state that grows with the input. A [`DecodeError`] names the wrong field
//! and its position. Ids that the specification's tables do not have are valid, and can be skipped or passed on. This module
//! does not judge whether metadata is *allowed* in the frame that brought it.
//!
//! ```
//! use bytes::BytesMut;
//! use prometheus_rsocket_protocol::Payload;
//! use prometheus_rsocket_protocol::rsocket::metadata::{
//!     Authentication, Credentials, Entries, Entry, Metadata, MimeId, MimeType, Routing, Tags,
//! };
//!
//! let mut out = BytesMut::new();
//! Routing(&["orders.find"]).encode_entry(&mut out)?;
//! Credentials::Bearer { token: "t0k3n" }.encode_entry(&mut out)?;
//! Entry::new(MimeType::named("application/x.tenant")?, "blue").encode(&mut out)?;
//! let request = Payload::new(out.freeze(), "{}");
//!
//! let mut route = None;
//! let mut token = None;
//! for entry in Entries::new(request.metadata.unwrap_or_default()) {
//!     let entry = entry?;
//!     match entry.mime_type.well_known() {
//!         Some(MimeId::ROUTING) => route = Tags::new(entry.content).next().transpose()?,
//!         Some(MimeId::AUTHENTICATION) => {
//!             let authentication = Authentication::decode(entry.content)?;
//!             if let Some(Credentials::Bearer { token: received }) = authentication.credentials()? {
//!                 token = Some(received.to_owned());
//!             }
//!         }
//!         _ => {} // Not known here: skipped.
//!     }
//! }
//! assert_eq!(route.expect("a route").as_str()?, "orders.find");
//! assert_eq!(token.as_deref(), Some("t0k3n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod auth;
mod composite;
mod encode;
mod error;
mod mime;
mod name;
mod read;
mod routing;
mod stream_mime;
#[cfg(test)]
mod tests;
mod tracing;

pub use crate::rsocket::frame::EncodeError;
pub use auth::{AuthId, AuthType, Authentication, Credentials};
pub use composite::{Entries, Entry};
pub use encode::Metadata;
pub use error::{DecodeError, DecodeErrorKind};
pub use mime::{MimeId, MimeType};
pub use name::{Name, NameError};
pub use routing::{Routing, Tag, Tags};
pub use stream_mime::{AcceptMimeTypes, DataMimeType, MimeTypes};
pub use tracing::{Sampling, Span, SpanId, TraceId, Tracing};

/// Stands for this many bytes in `Debug` output, since they may be secret.
struct Hidden(usize);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}
