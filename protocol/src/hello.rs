//! What an application declares in SETUP about itself and about what the proxy may use.
//!
//! The *hello* is one entry of composite metadata ([`rsocket::metadata`](crate::rsocket::metadata)) with the MIME type
//! [`MIME`], in the payload of SETUP. The original Java proxy ignores that payload, so a hello changes nothing there. A client
//! that sends none, such as Micrometer's, has the default hello.
//!
//! The entry's content is a list of [`fields`], in any order. Unknown fields are skipped, so fields can be added; a known field
//! with an invalid value makes the whole hello an error.
//!
//! | id | field | value | how often |
//! |---|---|---|---|
//! | 1 | version of the envelope that is understood | 1 byte | any number |
//! | 2 | text format that the answers may have | 1 byte: 0 is the text format 0.0.4, 1 is OpenMetrics 1.0 | any number |
//! | 3 | label | length of the name (1 byte), name, value; see [`Labels`] | at most [`Labels::MAX_LABELS`] |
//! | 4 | program, with its version: `orders/1.4.2` | UTF-8, at most [`Hello::MAX_PROGRAM`] bytes | once |
//! | 5 | the application reads [reports](crate::report) | no bytes | once |

#[cfg(test)]
mod tests;

use crate::fields::{self, FieldError, put};
use crate::labels::{LabelError, Labels};
use crate::rsocket::frame::Setup;
use crate::rsocket::metadata::MimeId;
use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::be_u8;

/// The MIME type of the hello's entry.
pub const MIME: &str = "application/x.prometheus-rsocket.hello.v1";

/// What an application declares about itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// Labels that identify it. May be empty.
    pub labels: Labels,
    /// The program and its version, for people. Empty if not declared.
    pub program: String,
    /// Whether its answers may be in OpenMetrics 1.0 as well as in the text format 0.0.4.
    pub openmetrics: bool,
    /// Whether it reads [reports](crate::report), which arrive as METADATA_PUSH.
    pub reads_reports: bool,
    /// Whether it can seal in version 2 of the [envelope](crate::envelope::v2).
    pub seals_v2: bool,
}

impl Hello {
    /// The maximum length of [`program`](Self::program), in bytes.
    pub const MAX_PROGRAM: usize = 128;

    /// A hello with these labels and this program, which accepts reports, and neither OpenMetrics nor version 2 of the envelope.
    pub fn new(labels: Labels, program: impl Into<String>) -> Self {
        Self { labels, program: program.into(), reads_reports: true, ..Self::default() }
    }

    /// Encodes the hello as composite metadata, for the metadata of SETUP. A program name over
    /// [`MAX_PROGRAM`](Self::MAX_PROGRAM) is cut.
    pub fn encode(&self) -> Bytes {
        let mut content = BytesMut::new();
        if self.seals_v2 {
            put(&mut content, ENVELOPE, &[&[VERSION_2]]);
        }
        if self.openmetrics {
            put(&mut content, FORMAT, &[&[FORMAT_TEXT]]);
            put(&mut content, FORMAT, &[&[FORMAT_OPENMETRICS]]);
        }
        for (name, value) in self.labels.iter() {
            // `Labels` limits names to 64 bytes.
            put(&mut content, LABEL, &[&[name.len() as u8], name.as_bytes(), value.as_bytes()]);
        }
        let program = self.program.get(..self.program.floor_char_boundary(Self::MAX_PROGRAM));
        if let Some(program) = program.filter(|program| !program.is_empty()) {
            put(&mut content, PROGRAM, &[program.as_bytes()]);
        }
        if self.reads_reports {
            put(&mut content, REPORTS, &[]);
        }
        let mut metadata = BytesMut::new();
        fields::put_entry(&mut metadata, MIME, content.freeze());
        metadata.freeze()
    }

    /// Reads the hello of a SETUP. Returns the default hello if there is none.
    ///
    /// # Errors
    ///
    /// If the metadata holds a hello that cannot be read. Metadata of another MIME type, and entries of other MIME types, are
    /// ignored. An entry that cannot be decoded ends the search: what follows it is ignored, too.
    pub fn of_setup(setup: &Setup) -> Result<Self, HelloError> {
        if setup.metadata_mime != MimeId::COMPOSITE_METADATA.name().unwrap_or_default().as_bytes() {
            return Ok(Self::default());
        }
        let metadata = setup.payload.metadata.clone().unwrap_or_default();
        let content = fields::find_entry(metadata, MIME);
        content.map_or_else(|| Ok(Self::default()), |content| Self::decode(&content))
    }

    /// Reads the content of the hello's entry.
    fn decode(content: &[u8]) -> Result<Self, HelloError> {
        let mut hello = Self::default();
        let mut labels = Vec::new();
        fields::read(content, |field| {
            match (field.id, field.value) {
                (ENVELOPE, &[version]) => hello.seals_v2 |= version == VERSION_2,
                (FORMAT, &[format]) => hello.openmetrics |= format == FORMAT_OPENMETRICS,
                (LABEL, value) => labels.push(label(value).ok_or_else(|| field.error())?),
                (PROGRAM, value) if value.len() <= Self::MAX_PROGRAM => {
                    let text = std::str::from_utf8(value);
                    text.map_err(|_| field.error())?.clone_into(&mut hello.program);
                }
                (REPORTS, []) => hello.reads_reports = true,
                (ENVELOPE | FORMAT | PROGRAM | REPORTS, _) => return Err(field.error()),
                _ => {}
            }
            Ok::<_, FieldError>(())
        })?;
        hello.labels = Labels::new(labels)?;
        Ok(hello)
    }
}

/// The hello of a client that sends none.
impl Default for Hello {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            program: String::new(),
            openmetrics: false,
            reads_reports: false,
            seals_v2: false,
        }
    }
}

/// Why a hello cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HelloError {
    /// A field is malformed.
    #[error(transparent)]
    Fields(#[from] FieldError),
    /// The labels are invalid.
    #[error(transparent)]
    Labels(#[from] LabelError),
}

fn label(value: &[u8]) -> Option<(String, String)> {
    let (value, name) = length_data::<_, nom::error::Error<&[u8]>, _>(be_u8).parse(value).ok()?;
    let text = |bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
    Some((text(name)?, text(value)?))
}

const ENVELOPE: u8 = 1;
const FORMAT: u8 = 2;
const LABEL: u8 = 3;
const PROGRAM: u8 = 4;
const REPORTS: u8 = 5;

const VERSION_2: u8 = 2;
const FORMAT_TEXT: u8 = 0;
const FORMAT_OPENMETRICS: u8 = 1;
