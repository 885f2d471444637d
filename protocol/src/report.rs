//! What the proxy reports to an application about its metrics while it is connected.
//!
//! A report travels as METADATA_PUSH, in an entry of composite metadata with the MIME type [`MIME`]. It is sent only to
//! applications whose [hello](crate::hello) says that they read reports.
//!
//! | part of the entry's content | bytes |
//! |---|---|
//! | kind | 1, see [`ReportKind`] |
//! | message for people | UTF-8, at most [`Report::MAX_MESSAGE`] bytes |

#[cfg(test)]
mod tests;

use crate::fields;
use bytes::{BufMut, Bytes, BytesMut};

/// The MIME type of a report's entry.
pub const MIME: &str = "application/x.prometheus-rsocket.report.v1";

/// The state of an application's metrics, as far as its owner should know. A report replaces the previous one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What the report is about.
    pub kind: ReportKind,
    /// The details, for people: which line, which limit, which series. At most [`MAX_MESSAGE`](Self::MAX_MESSAGE) bytes if made
    /// by [`new`](Self::new).
    pub message: String,
}

/// What a [`Report`] is about. The number is its byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ReportKind {
    /// All is well again; earlier reports no longer apply.
    Served = 0,
    /// The text was refused, and nothing of it is served.
    Refused = 1,
    /// Part of the text was left out because of a bad line or a limit.
    Reduced = 2,
    /// Series of the application collide with those of another, and were left out.
    Collided = 3,
}

impl Report {
    /// The maximum length of a message, in bytes.
    pub const MAX_MESSAGE: usize = 1024;

    /// Makes a report. A message over [`MAX_MESSAGE`](Self::MAX_MESSAGE) is cut between two characters.
    pub fn new(kind: ReportKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(Self::MAX_MESSAGE));
        Self { kind, message }
    }

    /// Encodes the report as composite metadata, for a METADATA_PUSH.
    pub fn encode(&self) -> Bytes {
        let mut content = BytesMut::with_capacity(1 + self.message.len());
        content.put_u8(self.kind as u8);
        content.extend_from_slice(self.message.as_bytes());
        let mut metadata = BytesMut::new();
        fields::put_entry(&mut metadata, MIME, content.freeze());
        metadata.freeze()
    }

    /// Decodes the report in the metadata of a METADATA_PUSH. Returns `None` if there is no report that can be read.
    pub fn decode(metadata: Bytes) -> Option<Self> {
        let content = fields::find_entry(metadata, MIME)?;
        let (&kind, message) = content.split_first()?;
        let kind = match kind {
            0 => ReportKind::Served,
            1 => ReportKind::Refused,
            2 => ReportKind::Reduced,
            3 => ReportKind::Collided,
            _ => return None,
        };
        let fits = message.len() <= Self::MAX_MESSAGE;
        let message = std::str::from_utf8(message).ok().filter(|_| fits)?;
        Some(Self { kind, message: message.to_owned() })
    }
}
