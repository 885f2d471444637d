use super::name::Label;
use super::read::{Parsed, Source};
use super::{Name, NameError};
use bytes::{Bytes, BytesMut};
use std::fmt;

/// A MIME type in the form in which it is sent: as a 7-bit id, or as text.
///
/// Two values are equal if they have the same bytes on the wire. To find out whether a peer *means* a well-known type, in
/// whichever form, use [`MimeType::well_known`]: Spring, for one, sends `message/x.rsocket.authentication.v0` as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MimeType {
    /// An id, in the table of WellKnownMimeTypes.md or not.
    WellKnown(MimeId),
    /// Text.
    Named(Name),
}

impl MimeType {
    /// Creates the shortest form of a MIME type that every peer understands: its id if it is well-known, else the text.
    ///
    /// `application/x-capnp` and `application/x-flatbuffers` stay text, because the tables of rsocket-java 1.1 and rsocket-js
    /// 1.0 end before them. To send these as ids, or a well-known type as text, construct the variant yourself.
    ///
    /// # Errors
    ///
    /// The text is not a valid [`Name`].
    pub fn named(text: impl Into<Bytes>) -> Result<Self, NameError> {
        let name = Name::new(text)?;
        Ok(match MimeId::from_name(name.as_str()) {
            Some(id)
                if id != MimeId::APPLICATION_CAPNP && id != MimeId::APPLICATION_FLATBUFFERS =>
            {
                Self::WellKnown(id)
            }
            _ => Self::Named(name),
        })
    }

    /// The id, even if a well-known type came as text; `None` for any other text.
    ///
    /// Texts are compared byte for byte, as in rsocket-java.
    pub fn well_known(&self) -> Option<MimeId> {
        match self {
            Self::WellKnown(id) => Some(*id),
            Self::Named(name) => MimeId::from_name(name.as_str()),
        }
    }

    /// The text, even if a well-known type came as an id; `None` for an id that the table does not have.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::WellKnown(id) => id.name(),
            Self::Named(name) => Some(name.as_str()),
        }
    }

    pub(super) fn read<'a>(source: Source<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let (input, label) = Label::read(source, ("MIME ID or length", "MIME type"), input)?;
        let mime_type = match label {
            Label::Id(id) => Self::WellKnown(MimeId(id)),
            Label::Name(name) => Self::Named(name),
        };
        Ok((input, mime_type))
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.label().encoded_len()
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        self.label().write(out);
    }

    fn label(&self) -> Label<&Name> {
        match self {
            Self::WellKnown(id) => Label::Id(id.0),
            Self::Named(name) => Label::Name(name),
        }
    }
}

impl From<MimeId> for MimeType {
    fn from(id: MimeId) -> Self {
        Self::WellKnown(id)
    }
}

/// The text, or the number of an id that has no text.
impl fmt::Display for MimeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WellKnown(id) => id.fmt(f),
            Self::Named(name) => name.fmt(f),
        }
    }
}

/// The id of a well-known MIME type (Extensions/WellKnownMimeTypes.md): 7 bits.
///
/// All 128 ids can be read and written, so that ids from a newer peer can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MimeId(u8);

impl MimeId {
    /// The id with this number; `None` above 0x7F.
    pub const fn new(id: u8) -> Option<Self> {
        if id < 0x80 { Some(Self(id)) } else { None }
    }

    /// The id as a number, at most 0x7F.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The text of a known id, or the number of any other.
impl fmt::Display for MimeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => name.fmt(f),
            None => write!(f, "well-known MIME type {:#04x}", self.0),
        }
    }
}

macro_rules! table {
    ($($id:literal $constant:ident $name:literal)*) => {
        impl MimeId {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Self = Self($id);
            )*

            /// All ids of the specification's table, in its order.
            pub const ALL: &[Self] = &[$(Self::$constant),*];

            /// The MIME type as text; `None` if the table does not have the id.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($id => Some($name),)*
                    _ => None,
                }
            }

            /// The id of a MIME type; `None` if the table does not have it. Texts are compared byte for byte, so a type with
            /// parameters has no id.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$constant),)*
                    _ => None,
                }
            }
        }
    };
}

table! {
    0x00 APPLICATION_AVRO "application/avro"
    0x01 APPLICATION_CBOR "application/cbor"
    0x02 APPLICATION_GRAPHQL "application/graphql"
    0x03 APPLICATION_GZIP "application/gzip"
    0x04 APPLICATION_JAVASCRIPT "application/javascript"
    0x05 APPLICATION_JSON "application/json"
    0x06 APPLICATION_OCTET_STREAM "application/octet-stream"
    0x07 APPLICATION_PDF "application/pdf"
    0x08 APPLICATION_THRIFT "application/vnd.apache.thrift.binary"
    0x09 APPLICATION_PROTOBUF "application/vnd.google.protobuf"
    0x0a APPLICATION_XML "application/xml"
    0x0b APPLICATION_ZIP "application/zip"
    0x0c AUDIO_AAC "audio/aac"
    0x0d AUDIO_MP3 "audio/mp3"
    0x0e AUDIO_MP4 "audio/mp4"
    0x0f AUDIO_MPEG3 "audio/mpeg3"
    0x10 AUDIO_MPEG "audio/mpeg"
    0x11 AUDIO_OGG "audio/ogg"
    0x12 AUDIO_OPUS "audio/opus"
    0x13 AUDIO_VORBIS "audio/vorbis"
    0x14 IMAGE_BMP "image/bmp"
    0x15 IMAGE_GIF "image/gif"
    0x16 IMAGE_HEIC_SEQUENCE "image/heic-sequence"
    0x17 IMAGE_HEIC "image/heic"
    0x18 IMAGE_HEIF_SEQUENCE "image/heif-sequence"
    0x19 IMAGE_HEIF "image/heif"
    0x1a IMAGE_JPEG "image/jpeg"
    0x1b IMAGE_PNG "image/png"
    0x1c IMAGE_TIFF "image/tiff"
    0x1d MULTIPART_MIXED "multipart/mixed"
    0x1e TEXT_CSS "text/css"
    0x1f TEXT_CSV "text/csv"
    0x20 TEXT_HTML "text/html"
    0x21 TEXT_PLAIN "text/plain"
    0x22 TEXT_XML "text/xml"
    0x23 VIDEO_H264 "video/H264"
    0x24 VIDEO_H265 "video/H265"
    0x25 VIDEO_VP8 "video/VP8"
    0x26 APPLICATION_HESSIAN "application/x-hessian"
    0x27 APPLICATION_JAVA_OBJECT "application/x-java-object"
    0x28 APPLICATION_CLOUDEVENTS_JSON "application/cloudevents+json"
    0x29 APPLICATION_CAPNP "application/x-capnp"
    0x2a APPLICATION_FLATBUFFERS "application/x-flatbuffers"
    0x7a MIME_TYPE "message/x.rsocket.mime-type.v0"
    0x7b ACCEPT_MIME_TYPES "message/x.rsocket.accept-mime-types.v0"
    0x7c AUTHENTICATION "message/x.rsocket.authentication.v0"
    0x7d TRACING_ZIPKIN "message/x.rsocket.tracing-zipkin.v0"
    0x7e ROUTING "message/x.rsocket.routing.v0"
    0x7f COMPOSITE_METADATA "message/x.rsocket.composite-metadata.v0"
}
