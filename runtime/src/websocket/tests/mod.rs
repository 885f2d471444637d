mod driven;
mod handshake;
mod random;
mod reading;
mod refusing;
mod slow;
mod upgrade;
mod writing;

use super::{WebSocket, WebSocketConfig};
use crate::testing::{Duplex, Task, duplex, run};
use async_tungstenite::tungstenite::protocol::Role;
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A WebSocket in this role, and the stream below: the test is its peer.
fn open(role: Role) -> (WebSocket<Duplex>, Duplex) {
    open_with(role, &WebSocketConfig::default())
}

fn open_with(role: Role, config: &WebSocketConfig) -> (WebSocket<Duplex>, Duplex) {
    let (near, far) = duplex(usize::MAX / 2);
    let socket = match role {
        Role::Client => WebSocket::client(near, Bytes::new(), config),
        Role::Server => WebSocket::server(near, Bytes::new(), config),
    };
    (socket, far)
}

fn limited(max_message_len: usize) -> WebSocketConfig {
    WebSocketConfig { max_message_len, ..WebSocketConfig::default() }
}

/// A frame as it is on the wire, masked if it goes to a server.
fn frame(to: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = if to == Role::Server { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(masked | len as u8),
        len @ ..65536 => {
            frame.push(masked | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(masked | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    let key: &[u8; 4] = if to == Role::Server { &[0x5a, 0x00, 0xff, 0x31] } else { &[0; 4] };
    if to == Role::Server {
        frame.extend(key);
    }
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Takes one frame off the front: its first byte and its unmasked payload. `from` says whether it must be masked.
#[track_caller]
fn take_frame(from: Role, wire: &mut Vec<u8>) -> (u8, Vec<u8>) {
    let (first, second) = (wire[0], wire[1]);
    assert_eq!(second & 0x80 != 0, from == Role::Client, "a client masks, a server does not");
    let (len, mut start) = match second & 0x7f {
        126 => (u16::from_be_bytes([wire[2], wire[3]]).into(), 4),
        127 => (u64::from_be_bytes(wire[2..10].try_into().unwrap()) as usize, 10),
        len => (len.into(), 2),
    };
    let mut key = [0; 4];
    if from == Role::Client {
        key.copy_from_slice(&wire[start..start + 4]);
        start += 4;
    }
    let payload = wire[start..start + len].iter().zip(key.iter().cycle());
    let payload = payload.map(|(byte, key)| byte ^ key).collect();
    wire.drain(..start + len);
    (first, payload)
}

#[track_caller]
fn take_frames(from: Role, mut wire: Vec<u8>) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        frames.push(take_frame(from, &mut wire));
    }
    frames
}

/// An RSocket frame as the driver reads and writes it.
fn prefixed(frame: &[u8]) -> Vec<u8> {
    let mut bytes = (frame.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend(frame);
    bytes
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// How reading ended.
#[derive(Debug)]
enum End {
    Eof,
    Failed(io::Error),
    Pending,
}

/// Reads everything available, at most `chunk` bytes at once.
fn read(socket: &mut WebSocket<Duplex>, chunk: usize) -> (Vec<u8>, End) {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Arc::clone(&woken).into();
    let (mut cx, mut bytes, mut buf) = (Context::from_waker(&waker), Vec::new(), vec![0xee; chunk]);
    loop {
        match Pin::new(&mut *socket).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Ok(0)) => return (bytes, End::Eof),
            Poll::Ready(Ok(len)) => bytes.extend(&buf[..len]),
            Poll::Ready(Err(error)) => return (bytes, End::Failed(error)),
            // It may only have let other tasks run.
            Poll::Pending if woken.0.swap(false, Ordering::SeqCst) => {}
            Poll::Pending => return (bytes, End::Pending),
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn poll_write(socket: &mut WebSocket<Duplex>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(socket).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
}

fn poll_flush(socket: &mut WebSocket<Duplex>) -> Poll<io::Result<()>> {
    Pin::new(socket).poll_flush(&mut Context::from_waker(Waker::noop()))
}

fn poll_close(socket: &mut WebSocket<Duplex>) -> Poll<io::Result<()>> {
    Pin::new(socket).poll_close(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn write_all(socket: &mut WebSocket<Duplex>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let Poll::Ready(Ok(len)) = poll_write(socket, bytes) else {
            panic!("writing stalls");
        };
        bytes = &bytes[len..];
    }
    assert!(matches!(poll_flush(socket), Poll::Ready(Ok(()))));
}

/// Runs a future to completion, which must not need anything from outside.
#[track_caller]
fn complete<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let mut task = Task::new(future);
    run(&mut [&mut task]);
    task.output().expect("the future is done")
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn peer(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

const BINARY: u8 = 0x82;
const BINARY_MORE: u8 = 0x02;
const CLOSE: u8 = 0x88;
const LAST: u8 = 0x80;
const MORE: u8 = 0x00;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const TEXT: u8 = 0x81;
