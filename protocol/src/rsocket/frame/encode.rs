use super::{Body, Frame, Setup, Version, flags};
use crate::rsocket::Payload;
use bytes::{BufMut, Bytes, BytesMut};

/// Why a frame, or metadata, cannot be encoded: a field is too long for its length field, or the frame is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} of {len} bytes is over its limit of {limit}")]
pub struct EncodeError {
    /// The field; "frame" for the whole frame.
    pub field: &'static str,
    /// Its length in bytes.
    pub len: usize,
    /// The longest length allowed, in bytes.
    pub limit: usize,
}

impl Frame {
    /// The longest frame, in bytes without a length prefix (Protocol.md, "Max Frame Size").
    ///
    /// Over TCP, [`framing::MAX_SENT_FRAME`](crate::rsocket::framing::MAX_SENT_FRAME) is a little shorter.
    pub const MAX_LEN: usize = 0xff_ffff;

    /// Appends the frame's bytes to `out`, *without* a length prefix; the inverse of [`Frame::decode`].
    ///
    /// Of a number that has 31 or 63 bits on the wire, only the low bits are sent: the top bit is reserved. Flag M is always
    /// set on METADATA_PUSH.
    ///
    /// # Errors
    ///
    /// A MIME type is longer than 255 bytes, a resume token longer than 65,535, metadata longer than 16,777,215, or the frame
    /// longer than [`Frame::MAX_LEN`]. `out` is then unchanged.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let len = self.check(Self::MAX_LEN)?;
        out.reserve(len);
        self.write(out);
        Ok(())
    }

    /// How many bytes [`Frame::encode`] appends, if it succeeds.
    pub fn encoded_len(&self) -> usize {
        let (fields, payload) = self.parts();
        HEADER_LEN + fields + payload.map_or(0, Payload::encoded_len)
    }

    /// The length of the fields between header and payload, and the payload, if the type has one.
    #[inline]
    fn parts(&self) -> (usize, Option<&Payload>) {
        match &self.body {
            Body::Setup(setup) => (setup.fields_len(), Some(&setup.payload)),
            Body::Lease { metadata, .. } => (8 + metadata.as_ref().map_or(0, Bytes::len), None),
            Body::KeepAlive { data, .. } => (8 + data.len(), None),
            Body::RequestResponse { payload, .. }
            | Body::RequestFnf { payload, .. }
            | Body::Payload { payload, .. } => (0, Some(payload)),
            Body::RequestStream { payload, .. }
            | Body::RequestChannel { payload, .. }
            | Body::Ext { payload, .. } => (4, Some(payload)),
            Body::RequestN { .. } => (4, None),
            Body::Cancel => (0, None),
            Body::Error { data, .. } => (4 + data.len(), None),
            Body::MetadataPush { metadata } => (metadata.len(), None),
            Body::Resume { token, .. } => (4 + 2 + token.len() + 8 + 8, None),
            Body::ResumeOk { .. } => (8, None),
        }
    }

    /// The frame's length. Fails if a field does not fit its length field, or the frame does not fit `limit`.
    #[inline]
    pub(crate) fn check(&self, limit: usize) -> Result<usize, EncodeError> {
        match &self.body {
            Body::Setup(setup) => {
                let token_len = setup.resume_token.as_ref().map_or(0, Bytes::len);
                within("resume token", token_len, MAX_TOKEN)?;
                within("metadata MIME type", setup.metadata_mime.len(), MAX_MIME)?;
                within("data MIME type", setup.data_mime.len(), MAX_MIME)?;
            }
            Body::Resume { token, .. } => within("resume token", token.len(), MAX_TOKEN)?,
            // No other type has length fields, except the one for metadata.
            _ => {}
        }
        let (fields, payload) = self.parts();
        let metadata = payload.and_then(|payload| payload.metadata.as_ref());
        within("metadata", metadata.map_or(0, Bytes::len), MAX_METADATA)?;
        let len = HEADER_LEN + fields + payload.map_or(0, Payload::encoded_len);
        within("frame", len, limit)?;
        Ok(len)
    }

    /// Appends the bytes of a frame that [`Frame::check`] has passed.
    #[inline]
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.header());
        self.write_body(out);
    }

    /// Like [`Frame::write`], behind a length prefix that announces `len`.
    #[inline]
    pub(crate) fn write_prefixed(&self, len: usize, out: &mut BytesMut) {
        let [.., x, y, z] = (len as u64).to_be_bytes();
        let [a, b, c, d, e, f] = self.header();
        out.extend_from_slice(&[x, y, z, a, b, c, d, e, f]);
        self.write_body(out);
    }

    #[inline]
    fn header(&self) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = self.stream_id.get().to_be_bytes();
        let [e, f] = (u16::from(self.body.frame_type() as u8) << 10 | self.flags()).to_be_bytes();
        [a, b, c, d, e, f]
    }

    #[inline]
    fn write_body(&self, out: &mut BytesMut) {
        match &self.body {
            Body::Setup(setup) => setup.write(out),
            Body::Lease { ttl_ms, requests, metadata } => {
                put_u31(*ttl_ms, out);
                put_u31(*requests, out);
                put(metadata.as_deref().unwrap_or_default(), out);
            }
            Body::KeepAlive { position, data, .. } => {
                put_u63(*position, out);
                put(data, out);
            }
            Body::RequestResponse { payload, .. }
            | Body::RequestFnf { payload, .. }
            | Body::Payload { payload, .. } => put_payload(payload, out),
            Body::RequestStream { initial_n: number, payload, .. }
            | Body::RequestChannel { initial_n: number, payload, .. }
            | Body::Ext { extended_type: number, payload } => {
                put_u31(*number, out);
                put_payload(payload, out);
            }
            Body::RequestN { n } => put_u31(*n, out),
            Body::Cancel => {}
            Body::Error { code, data } => {
                out.put_u32(code.0);
                put(data, out);
            }
            Body::MetadataPush { metadata } => put(metadata, out),
            Body::Resume {
                version,
                token,
                last_received_server_position,
                first_available_client_position,
            } => {
                put_version(*version, out);
                put_token(token, out);
                put_u63(*last_received_server_position, out);
                put_u63(*first_available_client_position, out);
            }
            Body::ResumeOk { last_received_client_position } => {
                put_u63(*last_received_client_position, out);
            }
        }
    }

    #[inline]
    fn flags(&self) -> u16 {
        set(flags::IGNORE, self.can_ignore)
            | match &self.body {
                Body::Setup(setup) => {
                    set(flags::RESUME, setup.resume_token.is_some())
                        | set(flags::LEASE, setup.lease)
                        | metadata_flag(&setup.payload)
                }
                Body::Lease { metadata, .. } => set(flags::METADATA, metadata.is_some()),
                Body::KeepAlive { respond, .. } => set(flags::RESPOND, *respond),
                Body::RequestResponse { follows, payload }
                | Body::RequestFnf { follows, payload }
                | Body::RequestStream { follows, payload, .. } => {
                    set(flags::FOLLOWS, *follows) | metadata_flag(payload)
                }
                Body::RequestChannel { follows, complete, payload, .. } => {
                    set(flags::FOLLOWS, *follows)
                        | set(flags::COMPLETE, *complete)
                        | metadata_flag(payload)
                }
                Body::Payload { follows, complete, next, payload } => {
                    set(flags::FOLLOWS, *follows)
                        | set(flags::COMPLETE, *complete)
                        | set(flags::NEXT, *next)
                        | metadata_flag(payload)
                }
                Body::MetadataPush { .. } => flags::METADATA,
                Body::Ext { payload, .. } => metadata_flag(payload),
                Body::RequestN { .. }
                | Body::Cancel
                | Body::Error { .. }
                | Body::Resume { .. }
                | Body::ResumeOk { .. } => 0,
            }
    }
}

impl Setup {
    /// The length of the fields before the payload.
    fn fields_len(&self) -> usize {
        let token_len = self.resume_token.as_ref().map_or(0, |token| 2 + token.len());
        4 + 4 + 4 + token_len + 1 + self.metadata_mime.len() + 1 + self.data_mime.len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_version(self.version, out);
        put_u31(self.keepalive_ms, out);
        put_u31(self.max_lifetime_ms, out);
        if let Some(token) = &self.resume_token {
            put_token(token, out);
        }
        for mime in [&self.metadata_mime, &self.data_mime] {
            put_len::<1>(mime.len(), out);
            put(mime, out);
        }
        put_payload(&self.payload, out);
    }
}

pub(crate) fn within(field: &'static str, len: usize, limit: usize) -> Result<(), EncodeError> {
    if len <= limit { Ok(()) } else { Err(EncodeError { field, len, limit }) }
}

fn set(flag: u16, on: bool) -> u16 {
    if on { flag } else { 0 }
}

fn metadata_flag(payload: &Payload) -> u16 {
    set(flags::METADATA, payload.metadata.is_some())
}

#[inline]
fn put(bytes: &[u8], out: &mut BytesMut) {
    if !bytes.is_empty() {
        out.extend_from_slice(bytes);
    }
}

/// Appends a length in `N` bytes, big-endian.
#[inline]
fn put_len<const N: usize>(len: usize, out: &mut BytesMut) {
    if let Some(bytes) = (len as u64).to_be_bytes().last_chunk::<N>() {
        out.extend_from_slice(bytes);
    }
}

#[inline]
fn put_payload(payload: &Payload, out: &mut BytesMut) {
    if let Some(metadata) = &payload.metadata {
        put_len::<3>(metadata.len(), out);
        put(metadata, out);
    }
    put(&payload.data, out);
}

fn put_token(token: &Bytes, out: &mut BytesMut) {
    put_len::<2>(token.len(), out);
    put(token, out);
}

fn put_version(Version { major, minor }: Version, out: &mut BytesMut) {
    out.put_u32(u32::from(major) << 16 | u32::from(minor));
}

fn put_u31(value: u32, out: &mut BytesMut) {
    out.put_u32(value & 0x7fff_ffff);
}

fn put_u63(value: u64, out: &mut BytesMut) {
    out.put_u64(value & 0x7fff_ffff_ffff_ffff);
}

/// Stream id, type and flags.
const HEADER_LEN: usize = 6;
const MAX_METADATA: usize = 0xff_ffff;
const MAX_MIME: usize = 0xff;
const MAX_TOKEN: usize = 0xffff;
