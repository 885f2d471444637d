use super::{
    Body, DecodeError, DecodeErrorKind, ErrorCode, Frame, FrameType, Setup, StreamId, Version,
    flags,
};
use crate::rsocket::Payload;
use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u24, be_u32, be_u64};

impl Frame {
    /// Reads one whole frame, *without* the length prefix that a stream transport puts before it.
    ///
    /// Metadata, data, tokens and MIME types come out as slices of `bytes`: nothing is copied, and each slice keeps
    /// the buffer behind `bytes` alive for as long as it lives. Whoever holds a small part for long (a key, a token)
    /// does better with a copy of it.
    ///
    /// Reserved bits are masked off. Flags that the type does not define are not looked at, and neither are bytes
    /// after the last field of a type of fixed length: LEASE without flag M, REQUEST_N, CANCEL, RESUME, RESUME_OK.
    /// METADATA_PUSH is read whether or not its flag M is set, as rsocket-js 0.0.x and rsocket-rust leave it clear.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] names the first field, in wire order, that the frame is too short for, or the type that
    /// Protocol.md does not know.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let (input, (id, word)) = parse("frame header", 6, (be_u32, be_u16), &bytes)
            .map_err(|kind| DecodeError { stream_id: None, frame_type: None, kind })?;
        let stream_id = StreamId::new(id);
        let [high, _] = word.to_be_bytes();
        let code = high >> 2;
        let can_ignore = word & flags::IGNORE != 0;
        let Some(frame_type) = FrameType::from_code(code) else {
            let kind = DecodeErrorKind::UnknownType { code, can_ignore };
            return Err(DecodeError { stream_id: Some(stream_id), frame_type: None, kind });
        };
        let body =
            Fields { frame: &bytes, flags: word }.body(frame_type, input).map_err(|kind| {
                DecodeError { stream_id: Some(stream_id), frame_type: Some(frame_type), kind }
            })?;
        Ok(Self { stream_id, can_ignore, body })
    }
}

/// What a parser leaves of its input, and what it found.
type Parsed<'a, T> = Result<(&'a [u8], T), DecodeErrorKind>;

/// The frame that the fields are read from; `flags` is the header's last word, whose top six bits are the type.
#[derive(Clone, Copy)]
struct Fields<'a> {
    frame: &'a Bytes,
    flags: u16,
}

impl<'a> Fields<'a> {
    fn body(self, frame_type: FrameType, input: &'a [u8]) -> Result<Body, DecodeErrorKind> {
        let follows = self.has(flags::FOLLOWS);
        Ok(match frame_type {
            FrameType::Setup => Body::Setup(self.setup(input)?),
            FrameType::Lease => self.lease(input)?,
            FrameType::KeepAlive => {
                let (input, position) = u63("last received position", input)?;
                let data = self.slice(input);
                Body::KeepAlive { respond: self.has(flags::RESPOND), position, data }
            }
            FrameType::RequestResponse => {
                Body::RequestResponse { follows, payload: self.payload(input)? }
            }
            FrameType::RequestFnf => Body::RequestFnf { follows, payload: self.payload(input)? },
            FrameType::RequestStream => {
                let (input, initial_n) = u31("initial request n", input)?;
                Body::RequestStream { follows, initial_n, payload: self.payload(input)? }
            }
            FrameType::RequestChannel => {
                let (input, initial_n) = u31("initial request n", input)?;
                let complete = self.has(flags::COMPLETE);
                Body::RequestChannel { follows, complete, initial_n, payload: self.payload(input)? }
            }
            FrameType::RequestN => Body::RequestN { n: u31("request n", input)?.1 },
            FrameType::Cancel => Body::Cancel,
            // The payload is kept even where N is clear: rsocket-rust sends the later fragments of a request so.
            FrameType::Payload => Body::Payload {
                follows,
                complete: self.has(flags::COMPLETE),
                next: self.has(flags::NEXT),
                payload: self.payload(input)?,
            },
            FrameType::Error => {
                let (input, code) = parse("error code", 4, be_u32, input)?;
                Body::Error { code: ErrorCode(code), data: self.slice(input) }
            }
            FrameType::MetadataPush => Body::MetadataPush { metadata: self.slice(input) },
            FrameType::Resume => self.resume(input)?,
            FrameType::ResumeOk => {
                let last_received_client_position = u63("last received client position", input)?.1;
                Body::ResumeOk { last_received_client_position }
            }
            FrameType::Ext => {
                let (input, extended_type) = u31("extended type", input)?;
                Body::Ext { extended_type, payload: self.payload(input)? }
            }
        })
    }

    fn setup(self, input: &'a [u8]) -> Result<Setup, DecodeErrorKind> {
        let (input, version) = version(input)?;
        let (input, keepalive_ms) = u31("time between keepalives", input)?;
        let (input, max_lifetime_ms) = u31("max lifetime", input)?;
        let (input, resume_token) = match self.has(flags::RESUME) {
            true => self.resume_token(input).map(|(input, token)| (input, Some(token)))?,
            false => (input, None),
        };
        let (input, metadata_mime) =
            self.mime("metadata MIME type length", "metadata MIME type", input)?;
        let (input, data_mime) = self.mime("data MIME type length", "data MIME type", input)?;
        let payload = self.payload(input)?;
        Ok(Setup {
            version,
            lease: self.has(flags::LEASE),
            keepalive_ms,
            max_lifetime_ms,
            resume_token,
            metadata_mime,
            data_mime,
            payload,
        })
    }

    fn lease(self, input: &'a [u8]) -> Result<Body, DecodeErrorKind> {
        let (input, ttl_ms) = u31("time to live", input)?;
        let (input, requests) = u31("number of requests", input)?;
        let metadata = self.has(flags::METADATA).then(|| self.slice(input));
        Ok(Body::Lease { ttl_ms, requests, metadata })
    }

    fn resume(self, input: &'a [u8]) -> Result<Body, DecodeErrorKind> {
        let (input, version) = version(input)?;
        let (input, token) = self.resume_token(input)?;
        let (input, last_received_server_position) = u63("last received server position", input)?;
        let (_, first_available_client_position) = u63("first available client position", input)?;
        Ok(Body::Resume {
            version,
            token,
            last_received_server_position,
            first_available_client_position,
        })
    }

    /// Metadata with its length if flag M is set, then data to the frame's end.
    fn payload(self, input: &'a [u8]) -> Result<Payload, DecodeErrorKind> {
        if !self.has(flags::METADATA) {
            return Ok(Payload { metadata: None, data: self.slice(input) });
        }
        let (input, len) = parse("metadata length", 3, be_u24, input)?;
        let (input, metadata) = self.bytes("metadata", len as usize, input)?;
        Ok(Payload { metadata: Some(metadata), data: self.slice(input) })
    }

    fn resume_token(self, input: &'a [u8]) -> Parsed<'a, Bytes> {
        let (input, len) = parse("resume token length", 2, be_u16, input)?;
        self.bytes("resume token", usize::from(len), input)
    }

    fn mime(self, length: &'static str, name: &'static str, input: &'a [u8]) -> Parsed<'a, Bytes> {
        let (input, len) = parse(length, 1, be_u8, input)?;
        self.bytes(name, usize::from(len), input)
    }

    fn bytes(self, name: &'static str, len: usize, input: &'a [u8]) -> Parsed<'a, Bytes> {
        let (input, bytes) = parse(name, len, take(len), input)?;
        Ok((input, self.slice(bytes)))
    }

    /// The same bytes as a counted slice of the frame; `part` must be a part of it, as all parsers' input is.
    fn slice(self, part: &'a [u8]) -> Bytes {
        self.frame.slice_ref(part)
    }

    fn has(self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

fn version(input: &[u8]) -> Parsed<'_, Version> {
    let (input, (major, minor)) = parse("version", 4, (be_u16, be_u16), input)?;
    Ok((input, Version { major, minor }))
}

fn u31<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, u32> {
    let (input, value) = parse(field, 4, be_u32, input)?;
    Ok((input, value & 0x7fff_ffff))
}

fn u63<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, u64> {
    let (input, value) = parse(field, 8, be_u64, input)?;
    Ok((input, value & 0x7fff_ffff_ffff_ffff))
}

/// Runs a parser that takes `needed` bytes whatever they hold, so that it can fail only for want of bytes.
fn parse<'a, T>(
    field: &'static str,
    needed: usize,
    mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
    input: &'a [u8],
) -> Parsed<'a, T> {
    let available = input.len();
    parser.parse(input).map_err(|_| DecodeErrorKind::Truncated { field, needed, available })
}
