use super::{WebSocketConfig, mask::Mask, violation::Violation};
use async_tungstenite::tungstenite::protocol::{
    Role,
    frame::{
        FrameHeader,
        coding::{Control, Data, OpCode},
    },
};
use bytes::{Buf, BytesMut};
use prometheus_rsocket_protocol::rsocket::framing::{MAX_RECEIVED_FRAME, PREFIX_LEN};
use std::io::Cursor;

/// Turns the bytes of a WebSocket peer into prefixed RSocket frames. Knows no stream.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Our role, not the peer's.
    role: Role,
    max_message_len: usize,
    /// The same for the next message if it is fragmented.
    max_joined_len: usize,
    raw: Raw,
    state: State,
    /// The fragments of a message so far, after room for its prefix.
    fragments: Option<BytesMut>,
}

#[derive(Debug)]
enum State {
    /// Between two frames, or within a header or a control frame, of which `raw` has the bytes so far.
    Boundary,
    /// In an unfragmented message. `given` bytes of its prefix were handed out.
    Message { prefix: [u8; PREFIX_LEN], given: usize, payload: Payload },
    /// In a frame of a fragmented message.
    Fragment { payload: Payload, last: bool },
    /// The rest of a fragmented message to hand out, prefix included.
    Joined(BytesMut),
}

/// The part of a frame's payload that has not arrived.
#[derive(Clone, Copy, Debug)]
struct Payload {
    left: usize,
    mask: Option<Mask>,
}

/// A valid frame header.
struct Head {
    header: FrameHeader,
    header_len: usize,
    payload: Payload,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// The number of bytes of prefixed frames that are now in the buffer; not 0.
    Bytes(usize),
    /// The peer has sent its last message.
    Close(Option<u16>),
    /// The peer wants this payload back.
    Ping(Vec<u8>),
    /// There is no event without more input: [`Decoder::direct`] says where to put it.
    Starved,
}

impl Decoder {
    pub(super) fn new(role: Role, config: &WebSocketConfig) -> Self {
        let max_message_len = config.max_message_len.min(MAX_RECEIVED_FRAME);
        Self {
            role,
            max_message_len,
            max_joined_len: config.max_first_len.min(max_message_len),
            raw: Raw { bytes: [0; RAW_LEN], start: 0, end: 0 },
            state: State::Boundary,
            fragments: None,
        }
    }

    /// The next event of the input so far. `buf` must not be empty.
    ///
    /// Do not continue after a violation.
    pub(super) fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, Violation> {
        let mut filled = 0;
        while filled < buf.len() {
            let (_, room) = buf.split_at_mut(filled);
            match &mut self.state {
                State::Boundary => match self.next_head() {
                    Ok(Some(head)) => match head.header.opcode {
                        OpCode::Data(data) => self.begin(head, data),
                        // Frames before it are handed out before it is examined, even if it is invalid.
                        OpCode::Control(_) if filled > 0 => break,
                        OpCode::Control(control) => match self.control(&head, control)? {
                            Some(decoded) => return Ok(decoded),
                            None => continue,
                        },
                    },
                    Ok(None) => break,
                    Err(_) if filled > 0 => break,
                    Err(violation) => return Err(violation),
                },
                State::Message { prefix, given, payload } => {
                    if let (_, rest @ [_, ..]) = prefix.split_at(*given) {
                        let len = copy(rest, room);
                        *given += len;
                        filled += len;
                    } else {
                        let len = copy(self.raw.up_to(payload.left), room);
                        if len == 0 && payload.left > 0 {
                            break;
                        }
                        self.raw.consume(len);
                        payload.take(room.split_at_mut(len).0);
                        filled += len;
                    }
                    if *given == PREFIX_LEN && payload.left == 0 {
                        self.state = State::Boundary;
                    }
                }
                State::Fragment { payload, .. } => {
                    // `room` is only a place to unmask in: what is put into it does not count as filled.
                    let len = copy(self.raw.up_to(payload.left), room);
                    if len == 0 && payload.left > 0 {
                        break;
                    }
                    self.raw.consume(len);
                    self.join(room.split_at_mut(len).0);
                }
                State::Joined(message) => {
                    let len = copy(message, room);
                    message.advance(len);
                    filled += len;
                    if message.is_empty() {
                        self.state = State::Boundary;
                    }
                }
            }
        }
        Ok(if filled > 0 { Decoded::Bytes(filled) } else { Decoded::Starved })
    }

    /// The number of bytes that may be read directly into the reader's buffer, to be passed to [`on_direct`](Self::on_direct).
    /// If it is 0, read into [`space`](Self::space).
    pub(super) fn direct(&self) -> usize {
        match &self.state {
            State::Message { payload, .. } | State::Fragment { payload, .. } => payload.left,
            State::Boundary | State::Joined(_) => 0,
        }
    }

    /// Takes input that was read directly. Returns how much of it is output.
    pub(super) fn on_direct(&mut self, bytes: &mut [u8]) -> usize {
        match &mut self.state {
            State::Message { payload, .. } => {
                payload.take(bytes);
                if payload.left == 0 {
                    self.state = State::Boundary;
                }
                bytes.len()
            }
            State::Fragment { .. } => {
                self.join(bytes);
                0
            }
            State::Boundary | State::Joined(_) => 0,
        }
    }

    /// Where to read to if nothing is read directly; not empty while [`Decoded::Starved`].
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.raw.space()
    }

    /// `len` bytes were read into [`space`](Self::space).
    pub(super) fn on_space(&mut self, len: usize) {
        self.raw.end += len;
    }

    /// Whether the peer may end the connection here.
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Boundary)
            && self.fragments.is_none()
            && self.raw.as_slice().is_empty()
    }

    #[cfg(test)]
    pub(super) fn holds_memory(&self) -> bool {
        matches!(self.state, State::Joined(_)) || self.fragments.is_some()
    }

    /// The header at the start of `raw`, if it is complete. Consumes nothing.
    fn next_head(&self) -> Result<Option<Head>, Violation> {
        let mut cursor = Cursor::new(self.raw.as_slice());
        let Some((mut header, len)) = FrameHeader::parse(&mut cursor)? else {
            return Ok(None);
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::ReservedBits);
        }
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(Violation::NotMaskedByClient),
            (Role::Client, Some(_)) => return Err(Violation::MaskedByServer),
            (Role::Server, Some(_)) | (Role::Client, None) => {}
        }
        match header.opcode {
            OpCode::Control(_) if !header.is_final => return Err(Violation::FragmentedControl),
            OpCode::Control(_) if len > CONTROL_MAX => return Err(Violation::LongControl),
            OpCode::Control(_) => {}
            OpCode::Data(data) => self.check_data(data, header.is_final, len)?,
        }
        // It fits: it is within the limits that were just checked.
        let left = usize::try_from(len).map_err(|_| too_long(len, self.max_message_len))?;
        let payload = Payload { left, mask: header.mask.take().map(Mask::new) };
        let header_len = cursor.get_ref().len() - cursor.remaining();
        Ok(Some(Head { header, header_len, payload }))
    }

    fn check_data(&self, data: Data, is_final: bool, len: u64) -> Result<(), Violation> {
        let before = match (data, &self.fragments) {
            (Data::Text, _) => return Err(Violation::Text),
            (Data::Binary, None) => 0,
            (Data::Binary, Some(_)) => return Err(Violation::NotContinued),
            (Data::Continue, None) => return Err(Violation::NothingToContinue),
            (Data::Continue, Some(fragments)) => fragments.len() - PREFIX_LEN,
            (Data::Reserved(code), _) => return Err(Violation::Opcode(code)),
        };
        let sum = len.saturating_add(before as u64);
        let is_fragment = !is_final || data == Data::Continue;
        let limit = if is_fragment { self.max_joined_len } else { self.max_message_len };
        if sum > limit as u64 { Err(too_long(sum, limit)) } else { Ok(()) }
    }

    /// Starts the payload of a data frame.
    fn begin(&mut self, head: Head, data: Data) {
        self.raw.consume(head.header_len);
        let payload = head.payload;
        self.state = if head.header.is_final && data != Data::Continue {
            self.max_joined_len = self.max_message_len;
            State::Message { prefix: prefix(payload.left), given: 0, payload }
        } else {
            self.fragments.get_or_insert_with(|| BytesMut::zeroed(PREFIX_LEN));
            State::Fragment { payload, last: head.header.is_final }
        };
    }

    /// Takes a control frame if it is complete. `None` if it needs no answer.
    fn control(&mut self, head: &Head, control: Control) -> Result<Option<Decoded>, Violation> {
        let Payload { left, mut mask } = head.payload;
        let (_, rest) = self.raw.as_slice().split_at(head.header_len);
        let Some((payload, _)) = rest.split_at_checked(left) else {
            return Ok(Some(Decoded::Starved));
        };
        let mut payload = payload.to_vec();
        if let Some(mask) = &mut mask {
            mask.apply(&mut payload);
        }
        self.raw.consume(head.header_len + left);
        match control {
            Control::Close => close_code(&payload).map(|code| Some(Decoded::Close(code))),
            Control::Ping => Ok(Some(Decoded::Ping(payload))),
            Control::Pong => Ok(None),
            Control::Reserved(code) => Err(Violation::Opcode(code)),
        }
    }

    /// Takes the next bytes of a fragment.
    fn join(&mut self, bytes: &mut [u8]) {
        let State::Fragment { payload, last } = &mut self.state else {
            return;
        };
        payload.take(bytes);
        let (left, last) = (payload.left, *last);
        if let Some(fragments) = &mut self.fragments {
            fragments.extend_from_slice(bytes);
        }
        if left > 0 {
            return;
        }
        self.state = match self.fragments.take_if(|_| last) {
            Some(mut message) => {
                self.max_joined_len = self.max_message_len;
                let prefix = prefix(message.len() - PREFIX_LEN);
                copy(&prefix, &mut message);
                State::Joined(message)
            }
            None => State::Boundary,
        };
    }
}

impl Payload {
    /// Unmasks the next bytes.
    fn take(&mut self, bytes: &mut [u8]) {
        if let Some(mask) = &mut self.mask {
            mask.apply(bytes);
        }
        self.left -= bytes.len();
    }
}

/// Input up to a payload: headers, and whole control frames.
///
/// Payloads bypass it, except for what arrived with their header. So it is small, as every idle connection has one.
#[derive(Debug)]
struct Raw {
    bytes: [u8; RAW_LEN],
    start: usize,
    end: usize,
}

impl Raw {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn up_to(&self, len: usize) -> &[u8] {
        let all = self.as_slice();
        all.split_at_checked(len).map_or(all, |(first, _)| first)
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
    }

    fn space(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.bytes[self.end..]
    }
}

/// Copies as much as fits.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    to[..len].copy_from_slice(&from[..len]);
    len
}

fn too_long(len: u64, limit: usize) -> Violation {
    Violation::TooLong { len, limit }
}

fn prefix(len: usize) -> [u8; PREFIX_LEN] {
    // At most MAX_RECEIVED_FRAME, so the highest byte is 0.
    let [_, high, middle, low] = (len as u32).to_be_bytes();
    [high, middle, low]
}

/// The code in a close frame (RFC 6455, section 7.4, and IANA's later registrations). Its reason is ignored.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some(code) = payload.first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::BadClose) };
    };
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
        _ => Err(Violation::BadClose),
    }
}

/// The maximum length of a control frame's payload, in bytes (RFC 6455, section 5.5).
const CONTROL_MAX: u64 = 125;

/// Room for the longest header, 14 bytes, with the longest control payload.
const RAW_LEN: usize = 160;
