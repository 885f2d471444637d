use super::{mask::Mask, violation::Violation};
use async_tungstenite::tungstenite::protocol::{
    Role,
    frame::{
        FrameHeader,
        coding::{Control, Data, OpCode},
    },
};
use bytes::{Buf, BufMut, BytesMut};
use prometheus_rsocket_protocol::rsocket::framing::PREFIX_LEN;
use std::io;

/// Turns prefixed RSocket frames into the bytes for a WebSocket peer, and adds pongs and the close frame in between. Knows no stream.
#[derive(Debug)]
pub(super) struct Encoder {
    /// Our role.
    role: Role,
    /// Bytes to be sent: less than [`OUT_MAX`], plus a pong and a close frame of at most 139 bytes each.
    out: BytesMut,
    state: State,
    /// The payload of the last unanswered ping. Answering the last one is enough (RFC 6455, section 5.5.3), so a peer that
    /// sends pings without reading cannot make anything grow.
    ping: Option<Vec<u8>>,
    close: Close,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Between two messages; `len` bytes of the next frame's prefix have arrived.
    Prefix { bytes: [u8; PREFIX_LEN], len: usize },
    /// Within a message.
    Payload { left: usize, mask: Option<Mask> },
}

#[derive(Debug, PartialEq, Eq)]
enum Close {
    /// Messages may be sent.
    Open,
    /// Waits for the end of a message, with the payload of the close frame.
    Wanted(Vec<u8>),
    /// Nothing may follow.
    Queued,
}

impl Encoder {
    pub(super) fn new(role: Role) -> Self {
        let (out, state) = (BytesMut::new(), BETWEEN);
        Self { role, out, state, ping: None, close: Close::Open }
    }

    /// Takes as much of `frames` as there is room for. Returns its length. Once a close frame is requested, takes no more than
    /// the rest of the current message.
    ///
    /// # Errors
    ///
    /// There is no randomness to make a mask from.
    pub(super) fn encode(&mut self, frames: &[u8]) -> io::Result<usize> {
        let mut rest = frames;
        while !rest.is_empty() && !self.is_full() {
            match &mut self.state {
                State::Prefix { .. } if self.close != Close::Open => break,
                State::Prefix { bytes, len } => {
                    let (_, missing) = bytes.split_at_mut(*len);
                    let taken = missing.len().min(rest.len());
                    rest.copy_to_slice(&mut missing[..taken]);
                    *len += taken;
                    if *len == PREFIX_LEN {
                        let [high, middle, low] = *bytes;
                        self.begin(u32::from_be_bytes([0, high, middle, low]) as usize)?;
                    }
                }
                State::Payload { left, mask } => {
                    let taken = rest.len().min(*left).min(OUT_MAX - self.out.len());
                    let start = self.out.len();
                    self.out.put(rest.split_at(taken).0);
                    rest.advance(taken);
                    *left -= taken;
                    if let Some(mask) = mask {
                        mask.apply(&mut self.out[start..]);
                    }
                    if *left == 0 {
                        self.state = BETWEEN;
                        self.queue_controls()?;
                    }
                }
            }
        }
        Ok(frames.len() - rest.len())
    }

    /// Answers a ping, as soon as no message is being sent and [`queue_controls`](Self::queue_controls) is called.
    pub(super) fn pong(&mut self, payload: Vec<u8>) {
        self.ping = Some(payload);
    }

    /// Sends the first requested close frame, as soon as no message is being sent. Nothing follows it.
    pub(super) fn close(&mut self, code: Option<u16>, reason: &str) -> io::Result<()> {
        if self.close == Close::Open {
            let code = code.map(u16::to_be_bytes);
            let payload = code.iter().flatten().copied().chain(reason.bytes());
            self.close = Close::Wanted(payload.collect());
        }
        self.queue_controls()
    }

    /// Like [`close`](Self::close), for a violation of the peer's.
    pub(super) fn refuse(&mut self, violation: Violation) -> io::Result<()> {
        self.close(Some(violation.code()), &violation.to_string())
    }

    /// Returns the bytes to be sent.
    pub(super) fn output(&self) -> &[u8] {
        &self.out
    }

    /// `len` bytes of the [`output`](Self::output) were sent.
    pub(super) fn on_sent(&mut self, len: usize) -> io::Result<()> {
        self.out.advance(len);
        if self.out.is_empty() {
            // Most connections are idle most of the time.
            self.out = BytesMut::new();
        }
        self.queue_controls()
    }

    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= OUT_MAX
    }

    /// Whether no frame is partly taken.
    pub(super) fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Prefix { len: 0, .. })
    }

    /// Whether no more messages will be sent.
    pub(super) fn is_closed(&self) -> bool {
        self.close != Close::Open && matches!(self.state, State::Prefix { .. })
    }

    #[cfg(test)]
    pub(super) fn holds_memory(&mut self) -> bool {
        self.out.try_reclaim(1) || self.ping.is_some()
    }

    fn begin(&mut self, len: usize) -> io::Result<()> {
        let mask = self.header(OpCode::Data(Data::Binary), len)?;
        self.state = if len == 0 { BETWEEN } else { State::Payload { left: len, mask } };
        Ok(())
    }

    /// Queues the answer to the last ping, and the close frame, unless a message is being sent.
    pub(super) fn queue_controls(&mut self) -> io::Result<()> {
        if matches!(self.state, State::Payload { .. }) || self.is_full() {
            return Ok(());
        }
        if self.close != Close::Queued
            && let Some(payload) = self.ping.take()
        {
            self.control(Control::Pong, &payload)?;
        }
        if let Close::Wanted(payload) = &mut self.close {
            let payload = std::mem::take(payload);
            self.close = Close::Queued;
            self.control(Control::Close, &payload)?;
        }
        Ok(())
    }

    fn control(&mut self, control: Control, payload: &[u8]) -> io::Result<()> {
        let mask = self.header(OpCode::Control(control), payload.len())?;
        let start = self.out.len();
        self.out.put(payload);
        if let Some(mut mask) = mask {
            mask.apply(&mut self.out[start..]);
        }
        Ok(())
    }

    /// Queues the header of a frame. Returns the mask of its payload.
    fn header(&mut self, opcode: OpCode, len: usize) -> io::Result<Option<Mask>> {
        let key = match self.role {
            Role::Client => Some(random_key()?),
            Role::Server => None,
        };
        let header = FrameHeader { opcode, mask: key, ..FrameHeader::default() };
        header.format(len as u64, &mut (&mut self.out).writer()).map_err(io::Error::other)?;
        Ok(key.map(Mask::new))
    }
}

/// Fresh for each frame, and unpredictable (RFC 6455, section 10.3).
fn random_key() -> io::Result<[u8; 4]> {
    let mut key = [0; 4];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    Ok(key)
}

const BETWEEN: State = State::Prefix { bytes: [0; PREFIX_LEN], len: 0 };

/// The number of bytes that may wait to be sent, which fits a TLS record. Beyond it, nothing more is taken.
pub(super) const OUT_MAX: usize = 16 * 1024;
