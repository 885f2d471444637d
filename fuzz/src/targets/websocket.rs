//! The WebSocket adapter, in both roles, on a stream in memory.

mod reference;

use crate::input::Input;
use crate::wire::{Wire, connect, drained};
use async_tungstenite::tungstenite::protocol::Role;
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_runtime::websocket::{WebSocket, WebSocketConfig};
use reference::{End, Frames, frames, messages};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Whatever arrives, and however it is cut: the same comes out, which is what RFC 6455 makes of it. What is written arrives.
pub fn websocket(data: &[u8]) {
    let mut input = Input::new(data);
    let role = if input.flag() { Role::Client } else { Role::Server };
    let mut config = WebSocketConfig::default();
    if let limit @ 1.. = input.below(64) {
        config.max_message_len = limit * 16;
    }
    if input.below(4) == 0 {
        writing(&mut input, role, &config);
    } else {
        reading(&mut input, role, &config);
    }
}

fn reading(input: &mut Input<'_>, role: Role, config: &WebSocketConfig) {
    let chunk = 1 + input.below(200);
    let cuts = input.bytes();
    let bytes = arriving(input, role);
    let expected = messages(&bytes, role, config.max_message_len);

    for (cuts, chunk) in [(&[][..], 1000), (cuts, chunk), (&[1], 1)] {
        let (mut socket, wire) = open(role, config);
        let (mut read, mut buf) = (Vec::new(), vec![0xee; chunk]);
        let mut rest = &bytes[..];
        let mut cuts = cuts.iter().filter(|cut| **cut > 0).cycle();
        let mut end = None;
        loop {
            let len = cuts.next().map_or(rest.len(), |cut| rest.len().min((*cut).into()));
            let (piece, after) = rest.split_at(len);
            wire.push(piece);
            if rest.is_empty() {
                wire.end();
            }
            rest = after;
            while let Poll::Ready(result) =
                drained(|cx| Pin::new(&mut socket).poll_read(cx, &mut buf))
            {
                match result {
                    Ok(0) => end = Some(End::Eof),
                    Ok(len) => {
                        assert!(end.is_none() && len <= chunk, "more after the end");
                        read.extend_from_slice(&buf[..len]);
                        continue;
                    }
                    Err(error) => end = Some(End::of(&error)),
                }
                break;
            }
            if end.is_some() {
                break;
            }
        }
        assert_eq!(read, expected.bytes, "what was read");
        assert_eq!(end, Some(expected.end), "how it ended");
        said(&wire.take(), role, &expected);
    }
}

/// What we say meanwhile: pongs to pings, of several at once at least the last; a close frame at the end, or why we refuse.
fn said(wire: &[u8], role: Role, expected: &Frames) {
    let frames = frames(wire, role).expect("what we send is right");
    let mut pings = expected.pings.iter();
    let (closes, pongs): (Vec<_>, Vec<_>) =
        frames.into_iter().partition(|(first, _)| *first == 0x88);
    for (first, payload) in &pongs {
        assert_eq!(*first, 0x8a, "only pongs");
        assert!(pings.any(|ping| ping == payload), "the pong to no ping");
    }
    if let (Some((_, pong)), End::Eof) = (pongs.last(), expected.end) {
        assert_eq!(Some(pong), expected.pings.last(), "the last ping is answered");
    }
    let codes: Vec<_> = closes.iter().map(|(_, payload)| code(payload)).collect();
    assert_eq!(codes, Vec::from_iter(expected.close), "close frames");
}

fn code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

/// Frames that are right, frames that are not, and bytes that are none.
fn arriving(input: &mut Input<'_>, role: Role) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !input.is_empty() && bytes.len() < ARRIVING_MAX {
        match input.byte() {
            0..16 => bytes.extend_from_slice(input.bytes()),
            kind => {
                let is_masked = (role == Role::Server) != (kind == 255);
                let firsts = [0x82, 0x82, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88];
                let first = match kind {
                    250.. => input.byte(),
                    kind => firsts[usize::from(kind) % firsts.len()],
                };
                let mut payload = input.bytes().to_vec();
                if kind & 0x40 != 0 {
                    payload = payload.repeat(usize::from(kind >> 4 & 3) * 2);
                }
                let form = usize::from(kind >> 3 & 3) + usize::from(kind >> 7);
                reference::put(first, &payload, is_masked, form, &mut bytes);
            }
        }
    }
    bytes
}

/// Frames of RSocket are written in any pieces to a stream that takes what it likes: each is one message.
fn writing(input: &mut Input<'_>, role: Role, config: &WebSocketConfig) {
    let (mut socket, wire) = open(role, config);
    let (takes, pieces) = (input.bytes(), input.bytes());
    let (mut written, mut expected) = (Vec::new(), Vec::new());
    while !input.is_empty() && written.len() < WRITTEN_MAX {
        let mut frame = input.bytes().to_vec();
        let times = [1, 1, 1, 2, 20, 100][input.below(6)];
        frame = frame.repeat(times);
        written.extend_from_slice(&(frame.len() as u32).to_be_bytes()[1..]);
        written.extend_from_slice(&frame);
        expected.push((0x82, frame));
    }
    wire.take_only(takes);
    let (mut rest, mut pieces) = (&written[..], pieces.iter().filter(|len| **len > 0).cycle());
    let mut cx = Context::from_waker(Waker::noop());
    let mut stalls = 0;
    while !rest.is_empty() {
        let len = pieces.next().map_or(rest.len(), |len| rest.len().min((*len).into()));
        match Pin::new(&mut socket).poll_write(&mut cx, &rest[..len]) {
            Poll::Ready(result) => {
                let len = result.expect("nothing is wrong");
                assert!(len > 0, "nothing was taken");
                (rest, stalls) = (&rest[len..], 0);
            }
            Poll::Pending => stalls += 1,
        }
        assert!(stalls < 1_000, "stuck");
        // What is held of it is bounded.
        let sent = wire.sent() + HELD_MAX + expected.len() * 14;
        assert!(written.len() - rest.len() <= sent, "more is held than 16 KiB");
    }
    let flushed = drained(|cx| Pin::new(&mut socket).poll_flush(cx));
    assert!(matches!(flushed, Poll::Ready(Ok(()))), "{flushed:?}");
    let closed = drained(|cx| Pin::new(&mut socket).poll_close(cx));
    assert!(matches!(closed, Poll::Ready(Ok(()))), "{closed:?}");
    let mut sent = frames(&wire.take(), role).expect("what we send is right");
    assert_eq!(
        sent.pop().map(|(first, payload)| (first, code(&payload))),
        Some((0x88, Some(1000)))
    );
    assert_eq!(sent, expected);
}

fn open(role: Role, config: &WebSocketConfig) -> (WebSocket<Wire>, Wire) {
    let wire = Wire::new();
    let socket = match role {
        Role::Client => connect(&wire, config),
        Role::Server => WebSocket::server(wire.clone(), bytes::Bytes::new(), config),
    };
    (socket, wire)
}

/// What a run takes is time by the square of this, as each byte alone is an event.
const ARRIVING_MAX: usize = 4_000;

/// More than is held.
const WRITTEN_MAX: usize = 60_000;

/// As the documentation of the adapter says, and a pong.
const HELD_MAX: usize = 16 * 1024 + 200;
