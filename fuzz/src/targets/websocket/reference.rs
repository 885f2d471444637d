//! What RFC 6455 makes of bytes, told as simply as possible.

use async_tungstenite::tungstenite::protocol::Role;
use std::io;

/// How reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Between two messages, or by a close frame.
    Eof,
    /// In the middle of one.
    Torn,
    /// By what is not allowed.
    Refused,
}

/// What is read of a peer.
pub(super) struct Frames {
    /// Messages, each behind its length.
    pub(super) bytes: Vec<u8>,
    pub(super) pings: Vec<Vec<u8>>,
    /// The code of the close frame that we answer by, if it has one.
    pub(super) close: Option<Option<u16>>,
    pub(super) end: End,
}

impl End {
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Torn,
            io::ErrorKind::InvalidData => Self::Refused,
            kind => panic!("{kind}: {error}"),
        }
    }
}

/// One frame, and what follows it.
struct Raw<'a> {
    first: u8,
    is_masked: bool,
    len: u64,
    /// Unmasked; what there is of it.
    payload: Vec<u8>,
    /// Whether that is all of it.
    is_whole: bool,
    rest: &'a [u8],
}

/// `None` if the header is not all there.
fn raw(bytes: &[u8]) -> Option<Raw<'_>> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (len, rest) = match second & 0x7f {
        126 => {
            rest.split_first_chunk().map(|(len, rest)| (u16::from_be_bytes(*len).into(), rest))?
        }
        127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
        len => (len.into(), rest),
    };
    let is_masked = second & 0x80 != 0;
    let (key, rest) = match is_masked {
        true => rest.split_first_chunk::<4>()?,
        false => (&[0; 4], rest),
    };
    let there = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
    let (payload, rest) = rest.split_at(there);
    let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    Some(Raw { first: *first, is_masked, len, payload, is_whole: there as u64 == len, rest })
}

/// What a side of this role reads of its peer.
pub(super) fn messages(mut bytes: &[u8], role: Role, limit: usize) -> Frames {
    let limit = limit.min(0xff_ffff) as u64;
    let (mut out, mut pings, mut fragments) = (Vec::new(), Vec::new(), None::<Vec<u8>>);
    let (end, close) = loop {
        if bytes.is_empty() {
            break if fragments.is_none() { (End::Eof, None) } else { (End::Torn, None) };
        }
        let Some(frame) = raw(bytes) else { break (End::Torn, None) };
        let (opcode, is_last) = (frame.first & 0x0f, frame.first & 0x80 != 0);
        match refusal(&frame, role, limit, fragments.as_deref()) {
            Some(code) => break (End::Refused, Some(Some(code))),
            None if opcode < 8 => {
                if is_last && opcode == 2 {
                    // What there is of it is handed out.
                    out.extend_from_slice(&(frame.len as u32).to_be_bytes()[1..]);
                    out.extend_from_slice(&frame.payload);
                } else {
                    fragments.get_or_insert_default().extend_from_slice(&frame.payload);
                }
                if !frame.is_whole {
                    break (End::Torn, None);
                }
                if is_last && let Some(message) = fragments.take() {
                    out.extend_from_slice(&(message.len() as u32).to_be_bytes()[1..]);
                    out.extend_from_slice(&message);
                }
            }
            None if !frame.is_whole => break (End::Torn, None),
            None => match (opcode, &frame.payload[..]) {
                (8, payload) => break closed(payload),
                (9, ping) => pings.push(ping.to_vec()),
                _ => {}
            },
        }
        bytes = frame.rest;
    };
    Frames { bytes: out, pings, close, end }
}

/// What a close frame makes of it, and the code that it is answered by.
fn closed(payload: &[u8]) -> (End, Option<Option<u16>>) {
    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
    match code {
        None if payload.is_empty() => (End::Eof, Some(None)),
        Some(1000..=1003 | 1007..=1014 | 3000..=4999) => (End::Eof, Some(code)),
        _ => (End::Refused, Some(Some(1002))),
    }
}

/// The code by which a frame is refused for its header.
fn refusal(frame: &Raw<'_>, role: Role, limit: u64, fragments: Option<&[u8]>) -> Option<u16> {
    let opcode = frame.first & 0x0f;
    let is_last = frame.first & 0x80 != 0;
    let before = fragments.map_or(0, <[u8]>::len) as u64;
    if frame.first & 0x70 != 0 || frame.is_masked != (role == Role::Server) {
        return Some(1002);
    }
    match opcode {
        8..=10 if !is_last || frame.len > 125 => Some(1002),
        8..=10 => None,
        1 => Some(1003),
        0 if fragments.is_none() => Some(1002),
        2 if fragments.is_some() => Some(1002),
        0 | 2 => (before.saturating_add(frame.len) > limit).then_some(1009),
        _ => Some(1002),
    }
}

/// All frames that a side of this role has sent: the first byte, and the payload.
pub(super) fn frames(mut bytes: &[u8], role: Role) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let frame = raw(bytes)?;
        let is_legal = frame.first & 0x08 == 0 || frame.len <= 125;
        if !frame.is_whole || !is_legal || frame.is_masked != (role == Role::Client) {
            return None;
        }
        frames.push((frame.first, frame.payload));
        bytes = frame.rest;
    }
    Some(frames)
}

/// Appends a frame, its length in a longer form than it needs where `form` is above 2.
pub(super) fn put(first: u8, payload: &[u8], is_masked: bool, form: usize, out: &mut Vec<u8>) {
    let mask = if is_masked { 0x80 } else { 0 };
    out.push(first);
    match payload.len() {
        len @ ..126 if form < 3 => out.push(mask | len as u8),
        len @ ..65536 if form < 4 => {
            out.push(mask | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(mask | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let key: [u8; 4] = if is_masked { [0x5a, 0x00, 0xff, 0x31] } else { [0; 4] };
    if is_masked {
        out.extend(key);
    }
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}
