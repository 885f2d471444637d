use super::super::{DriveEnd, DriverConfig, Owner, drive};
use crate::testing::{Duplex, Task, Virtual};
use bytes::{Buf, Bytes, BytesMut};
use prometheus_rsocket_protocol::Machine;
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// A machine whose frames are a length byte and that many bytes. It answers the frame [`REFUSED`] with [`FAREWELL`] and closes.
#[derive(Default)]
pub(super) struct Toy {
    pub(super) events: VecDeque<Bytes>,
    pub(super) events_max: usize,
    pub(super) out: VecDeque<Vec<u8>>,
    pub(super) transmitted: usize,
    pub(super) deadline: Option<Instant>,
    /// Every frame that arrives moves the deadline this far ahead.
    pub(super) keepalive: Option<Duration>,
    pub(super) expired: Vec<Instant>,
    pub(super) eof: bool,
    /// Continues after the peer's end.
    pub(super) half_open: bool,
    /// Waits for another transport after the end of this one.
    pub(super) resumable: bool,
    pub(super) suspended: bool,
    pub(super) pipelined: bool,
    pub(super) closing: bool,
    pub(super) closed: bool,
}

impl Toy {
    pub(super) fn new() -> Self {
        Self { events_max: usize::MAX, ..Self::default() }
    }

    pub(super) fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            self.out.push_back(FAREWELL.to_vec());
        }
    }
}

impl Machine for Toy {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        while self.wants_input()
            && let Some(&len) = input.first()
            && input.len() > usize::from(len)
        {
            input.advance(1);
            let frame = input.split_to(len.into()).freeze();
            if let Some(keepalive) = self.keepalive {
                self.deadline = Some(now + keepalive);
            }
            if frame == REFUSED {
                self.close();
            }
            self.events.push_back(frame);
        }
    }

    fn handle_eof(&mut self, _: Instant) {
        self.eof = true;
        self.suspended = self.resumable;
        self.closed = !self.half_open && !self.resumable;
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.expired.push(now);
        self.deadline = None;
    }

    fn poll_transmit(&mut self, _: Instant, output: &mut BytesMut) -> bool {
        if self.closed || self.suspended {
            return false;
        }
        let Some(frame) = self.out.pop_front() else {
            return false;
        };
        output.extend_from_slice(&encode(&frame));
        self.transmitted += frame.len() + 1;
        self.closed = self.closing && self.out.is_empty();
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.closed { None } else { self.deadline }
    }

    fn wants_input(&self) -> bool {
        self.events.len() < self.events_max && !self.closing && !self.closed
    }

    fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    fn held_bytes(&self) -> usize {
        self.events.iter().map(Bytes::len).sum::<usize>()
            + self.out.iter().map(Vec::len).sum::<usize>()
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn wants_transport(&self) -> bool {
        !self.closed && !self.suspended
    }
}

/// An owner with an inbox into which tests put commands from outside the task.
#[derive(Clone, Default)]
pub(super) struct OwnerHandle(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) events: Vec<Bytes>,
    /// Whether it leaves the events with the machine.
    pub(super) idle: bool,
    /// Whether nothing more may be read.
    pub(super) is_full: bool,
    /// The number of bytes that the connection reported as held.
    pub(super) held: usize,
    /// Whether the machine was seen closed.
    pub(super) saw_closed: bool,
    commands: Vec<Command>,
    waker: Option<Waker>,
}

pub(super) type Command = Box<dyn FnOnce(&mut Toy) + Send>;

impl OwnerHandle {
    /// Makes the machine do something, as another task would.
    pub(super) fn command(&self, command: impl FnOnce(&mut Toy) + Send + 'static) {
        self.wake_with(|state| state.commands.push(Box::new(command)));
    }

    pub(super) fn send(&self, frame: &[u8]) {
        let frame = frame.to_vec();
        self.command(|toy| toy.out.push_back(frame));
    }

    pub(super) fn set_idle(&self, idle: bool) {
        self.wake_with(|state| state.idle = idle);
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.wake_with(|state| state.is_full = is_full);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn wake_with(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Owner<Toy> for OwnerHandle {
    fn poll(&mut self, cx: &mut Context<'_>, _: Instant, toy: &mut Toy) {
        let mut state = self.lock();
        state.waker = Some(cx.waker().clone());
        for command in std::mem::take(&mut state.commands) {
            command(toy);
        }
        if !state.idle {
            state.events.extend(toy.events.drain(..));
        }
        state.saw_closed = toy.is_closed();
    }

    fn poll_room(&mut self, _: &mut Context<'_>, _: Instant, held: usize) -> Poll<usize> {
        let mut state = self.lock();
        state.held = held;
        if state.is_full { Poll::Pending } else { Poll::Ready(usize::MAX) }
    }
}

/// What is left when the driver is done.
pub(super) type End = (io::Result<DriveEnd>, Toy);

/// Starts a driver; the second result is its owner's handle.
pub(super) fn start(
    runtime: &Virtual,
    stream: Duplex,
    mut toy: Toy,
    config: DriverConfig,
) -> (Task<End>, OwnerHandle) {
    let (runtime, handle) = (runtime.clone(), OwnerHandle::default());
    let mut owner = handle.clone();
    let task = Task::new(async move {
        let end = drive(&runtime, stream, &mut toy, &mut owner, &config).await;
        (end, toy)
    });
    (task, handle)
}

/// A frame as it is on the wire.
pub(super) fn encode(frame: &[u8]) -> Vec<u8> {
    let len = u8::try_from(frame.len()).unwrap();
    std::iter::once(len).chain(frame.iter().copied()).collect()
}

pub(super) const FAREWELL: &[u8] = b"farewell";
pub(super) const REFUSED: &[u8] = b"refused";
