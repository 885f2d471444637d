use super::{
    Body, DecodeError, DecodeErrorKind, ErrorCode, Frame, FrameType, Setup, StreamId, Version,
    flags,
};
use crate::rsocket::Payload;
use bytes::{Buf, Bytes, BytesMut};

impl Frame {
    /// Decodes one whole frame, *without* the length prefix that precedes it on a byte stream.
    ///
    /// Metadata, data, tokens and MIME types are slices of `bytes`: nothing is copied, and each slice keeps the buffer behind
    /// `bytes` alive. To hold a small part for long (a key, a token), copy it.
    ///
    /// Reserved bits are masked off. Flags that the type does not define are ignored, as are bytes after the last field of a
    /// type of fixed length: LEASE without flag M, REQUEST_N, CANCEL, RESUME, RESUME_OK. METADATA_PUSH is decoded whether or
    /// not its flag M is set, since rsocket-js 0.0.x and rsocket-rust leave it clear.
    ///
    /// # Errors
    ///
    /// The frame is too short for a field: the [`DecodeError`] names the first such field in wire order. Or Protocol.md does
    /// not define the frame's type.
    pub fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let len = bytes.len();
        Self::take(&mut bytes, 0, len)
    }

    /// Takes `prefix_len` bytes and a frame of `len` bytes off the front of `source`, which must have them all.
    ///
    /// The bytes are removed even if they do not decode. A frame shares the buffer of `source` only if it carries bytes.
    #[inline]
    pub(crate) fn take(
        source: &mut impl Source,
        prefix_len: usize,
        len: usize,
    ) -> Result<Self, DecodeError> {
        let mut fields = Fields { source, passed: prefix_len, left: len, flags: 0 };
        let frame = fields.frame();
        fields.skip_rest();
        frame
    }
}

/// Received bytes, from which parts can be taken without a copy.
pub(crate) trait Source: Buf {
    /// Takes `len` bytes off the front; there must be as many.
    fn take_bytes(&mut self, len: usize) -> Bytes;
}

impl Source for Bytes {
    fn take_bytes(&mut self, len: usize) -> Bytes {
        self.split_to(len)
    }
}

impl Source for BytesMut {
    fn take_bytes(&mut self, len: usize) -> Bytes {
        if len == self.len() { std::mem::take(self).freeze() } else { self.split_to(len).freeze() }
    }
}

/// Reads the fields of one frame off the front of a source.
struct Fields<'a, S> {
    source: &'a mut S,
    /// Bytes at the front of the source that were read, but not yet removed.
    passed: usize,
    /// Bytes of the frame that follow them.
    left: usize,
    /// The header's last word, whose top six bits are the type.
    flags: u16,
}

impl<S: Source> Fields<'_, S> {
    #[inline]
    fn frame(&mut self) -> Result<Frame, DecodeError> {
        let (id, word) = match self.header() {
            Ok(header) => header,
            Err(kind) => return Err(DecodeError { stream_id: None, frame_type: None, kind }),
        };
        self.flags = word;
        let stream_id = StreamId::new(id);
        let [high, _] = word.to_be_bytes();
        let code = high >> 2;
        let can_ignore = word & flags::IGNORE != 0;
        let Some(frame_type) = FrameType::from_code(code) else {
            let kind = DecodeErrorKind::UnknownType { code, can_ignore };
            return Err(DecodeError { stream_id: Some(stream_id), frame_type: None, kind });
        };
        match self.body(frame_type) {
            Ok(body) => Ok(Frame { stream_id, can_ignore, body }),
            Err(kind) => {
                let (stream_id, frame_type) = (Some(stream_id), Some(frame_type));
                Err(DecodeError { stream_id, frame_type, kind })
            }
        }
    }

    fn header(&mut self) -> Result<(u32, u16), DecodeErrorKind> {
        let [a, b, c, d, high, low] = self.fixed("frame header")?;
        Ok((u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low])))
    }

    #[inline]
    fn body(&mut self, frame_type: FrameType) -> Result<Body, DecodeErrorKind> {
        let follows = self.has(flags::FOLLOWS);
        Ok(match frame_type {
            FrameType::Setup => Body::Setup(Box::new(self.setup()?)),
            FrameType::Lease => {
                let (ttl_ms, requests) =
                    (self.u31("time to live")?, self.u31("number of requests")?);
                let metadata = self.has(flags::METADATA).then(|| self.rest());
                Body::Lease { ttl_ms, requests, metadata }
            }
            FrameType::KeepAlive => {
                let position = self.u63("last received position")?;
                Body::KeepAlive { respond: self.has(flags::RESPOND), position, data: self.rest() }
            }
            FrameType::RequestResponse => {
                Body::RequestResponse { follows, payload: self.payload()? }
            }
            FrameType::RequestFnf => Body::RequestFnf { follows, payload: self.payload()? },
            FrameType::RequestStream => {
                let initial_n = self.u31("initial request n")?;
                Body::RequestStream { follows, initial_n, payload: self.payload()? }
            }
            FrameType::RequestChannel => {
                let initial_n = self.u31("initial request n")?;
                let complete = self.has(flags::COMPLETE);
                Body::RequestChannel { follows, complete, initial_n, payload: self.payload()? }
            }
            FrameType::RequestN => Body::RequestN { n: self.u31("request n")? },
            FrameType::Cancel => Body::Cancel,
            // The payload is kept even if flag N is clear: rsocket-rust sends the later fragments of a request so.
            FrameType::Payload => Body::Payload {
                follows,
                complete: self.has(flags::COMPLETE),
                next: self.has(flags::NEXT),
                payload: self.payload()?,
            },
            FrameType::Error => {
                let code = ErrorCode(u32::from_be_bytes(self.fixed("error code")?));
                Body::Error { code, data: self.rest() }
            }
            FrameType::MetadataPush => Body::MetadataPush { metadata: self.rest() },
            FrameType::Resume => self.resume()?,
            FrameType::ResumeOk => Body::ResumeOk {
                last_received_client_position: self.u63("last received client position")?,
            },
            FrameType::Ext => {
                let extended_type = self.u31("extended type")?;
                Body::Ext { extended_type, payload: self.payload()? }
            }
        })
    }

    fn setup(&mut self) -> Result<Setup, DecodeErrorKind> {
        Ok(Setup {
            version: self.version()?,
            lease: self.has(flags::LEASE),
            keepalive_ms: self.u31("time between keepalives")?,
            max_lifetime_ms: self.u31("max lifetime")?,
            resume_token: match self.has(flags::RESUME) {
                true => Some(self.resume_token()?),
                false => None,
            },
            metadata_mime: self.mime("metadata MIME type length", "metadata MIME type")?,
            data_mime: self.mime("data MIME type length", "data MIME type")?,
            payload: self.payload()?,
        })
    }

    fn resume(&mut self) -> Result<Body, DecodeErrorKind> {
        Ok(Body::Resume {
            version: self.version()?,
            token: self.resume_token()?,
            last_received_server_position: self.u63("last received server position")?,
            first_available_client_position: self.u63("first available client position")?,
        })
    }

    /// Metadata behind its length if flag M is set, then data up to the frame's end.
    #[inline]
    fn payload(&mut self) -> Result<Payload, DecodeErrorKind> {
        if !self.has(flags::METADATA) {
            return Ok(Payload { metadata: None, data: self.rest() });
        }
        let [high, middle, low] = self.fixed("metadata length")?;
        let len = u32::from_be_bytes([0, high, middle, low]);
        let metadata = self.bytes("metadata", len as usize)?;
        Ok(Payload { metadata: Some(metadata), data: self.rest() })
    }

    fn resume_token(&mut self) -> Result<Bytes, DecodeErrorKind> {
        let len = u16::from_be_bytes(self.fixed("resume token length")?);
        self.bytes("resume token", usize::from(len))
    }

    fn mime(&mut self, length: &'static str, name: &'static str) -> Result<Bytes, DecodeErrorKind> {
        let [len] = self.fixed(length)?;
        self.bytes(name, usize::from(len))
    }

    fn version(&mut self) -> Result<Version, DecodeErrorKind> {
        let [a, b, c, d] = self.fixed("version")?;
        Ok(Version { major: u16::from_be_bytes([a, b]), minor: u16::from_be_bytes([c, d]) })
    }

    fn u31(&mut self, field: &'static str) -> Result<u32, DecodeErrorKind> {
        Ok(u32::from_be_bytes(self.fixed(field)?) & 0x7fff_ffff)
    }

    fn u63(&mut self, field: &'static str) -> Result<u64, DecodeErrorKind> {
        Ok(u64::from_be_bytes(self.fixed(field)?) & 0x7fff_ffff_ffff_ffff)
    }

    /// A field of `N` bytes.
    #[inline(always)]
    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeErrorKind> {
        let bytes = self.source.chunk().get(self.passed..).and_then(<[u8]>::first_chunk::<N>);
        match bytes {
            Some(bytes) if self.left >= N => {
                self.passed += N;
                self.left -= N;
                Ok(*bytes)
            }
            _ => Err(self.truncated(field, N)),
        }
    }

    #[inline]
    fn bytes(&mut self, field: &'static str, len: usize) -> Result<Bytes, DecodeErrorKind> {
        if len > self.left {
            return Err(self.truncated(field, len));
        }
        self.left -= len;
        // An empty field must not keep the buffer alive.
        if len == 0 {
            return Ok(Bytes::new());
        }
        self.source.advance(std::mem::take(&mut self.passed));
        Ok(self.source.take_bytes(len))
    }

    /// The rest of the frame.
    #[inline]
    fn rest(&mut self) -> Bytes {
        self.bytes("", self.left).unwrap_or_default()
    }

    fn skip_rest(self) {
        self.source.advance(self.passed + self.left);
    }

    #[cold]
    fn truncated(&self, field: &'static str, needed: usize) -> DecodeErrorKind {
        DecodeErrorKind::Truncated { field, needed, available: self.left }
    }

    #[inline(always)]
    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}
