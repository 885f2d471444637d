//! A script that is run beside the driver of its connection: it gives commands and waits for events.

use bytes::Bytes;
use prometheus_rsocket_protocol::rsocket::connection::{Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, StreamId};
use prometheus_rsocket_runtime::Owner;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

/// What passes between a script and its connection.
#[derive(Clone)]
pub(crate) struct Handle(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// At most one for each future of the script.
    commands: VecDeque<Command>,
    /// By stream; those of none are on stream 0. No more than [`MAX_EVENTS`] in all.
    events: BTreeMap<StreamId, VecDeque<Event>>,
    count: usize,
    loses_metadata: bool,
}

type Command = Box<dyn FnOnce(&mut Connection, Instant)>;

impl Handle {
    pub(crate) fn new(loses_metadata: bool) -> Self {
        Self(Rc::new(RefCell::new(State { loses_metadata, ..State::default() })))
    }

    /// Whether the peer answers without metadata, whatever it was asked.
    pub(crate) fn loses_metadata(&self) -> bool {
        self.0.borrow().loses_metadata
    }

    /// Has the connection do something.
    pub(crate) async fn run<T: 'static>(
        &self,
        command: impl FnOnce(&mut Connection, Instant) -> T + 'static,
    ) -> T {
        let result = Rc::new(RefCell::new(None));
        let place = Rc::clone(&result);
        self.0.borrow_mut().commands.push_back(Box::new(move |connection, now| {
            *place.borrow_mut() = Some(command(connection, now));
        }));
        // The owner polls this again once it has run its commands.
        poll_fn(|_| result.borrow_mut().take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Waits for the next event of a stream, or of the connection: stream 0.
    pub(crate) async fn event(&self, stream_id: StreamId) -> Event {
        poll_fn(|_| self.try_event(stream_id).map_or(Poll::Pending, Poll::Ready)).await
    }

    /// The next event of a stream, if it has come.
    pub(crate) fn try_event(&self, stream_id: StreamId) -> Option<Event> {
        let mut state = self.0.borrow_mut();
        let events = state.events.get_mut(&stream_id)?;
        let event = events.pop_front()?;
        if events.is_empty() {
            state.events.remove(&stream_id);
        }
        state.count -= 1;
        Some(event)
    }

    /// Forgets what has come and nobody waits for.
    pub(crate) fn forget(&self) {
        let mut state = self.0.borrow_mut();
        state.events.clear();
        state.count = 0;
    }

    /// Says whether there were any.
    fn run_commands(&self, connection: &mut Connection, now: Instant) -> bool {
        let mut any = false;
        while let Some(command) = { self.0.borrow_mut().commands.pop_front() } {
            command(connection, now);
            any = true;
        }
        any
    }

    fn take_events(&self, connection: &mut Connection) {
        let mut state = self.0.borrow_mut();
        while state.count < MAX_EVENTS
            && let Some(event) = connection.poll_event()
        {
            state.events.entry(stream_of(&event)).or_default().push_back(event);
            state.count += 1;
        }
    }
}

/// The owner of a connection, which does what a script says. When that is through, it closes the connection.
pub(crate) struct Script<F: Future> {
    handle: Handle,
    future: Pin<Box<F>>,
    pub(crate) output: Option<F::Output>,
}

impl<F: Future> Script<F> {
    pub(crate) fn new(handle: Handle, future: F) -> Self {
        Self { handle, future: Box::pin(future), output: None }
    }
}

impl<F: Future> Owner<Connection> for Script<F> {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, connection: &mut Connection) {
        loop {
            self.handle.take_events(connection);
            if self.output.is_none()
                && let Poll::Ready(output) = self.future.as_mut().poll(cx)
            {
                self.output = Some(output);
            }
            if self.output.is_some() {
                // As rsocket-java says it.
                connection.close(now, ErrorCode::CONNECTION_ERROR, "Disposed");
                return;
            }
            if !self.handle.run_commands(connection, now) {
                return;
            }
        }
    }
}

/// The stream that an event is about.
fn stream_of(event: &Event) -> StreamId {
    match event {
        Event::Canceled { stream_id }
        | Event::Completed { stream_id }
        | Event::CreditReceived { stream_id, .. }
        | Event::Extension { stream_id, .. }
        | Event::FireAndForget { stream_id, .. }
        | Event::Payload { stream_id, .. }
        | Event::PeerFailed { stream_id, .. }
        | Event::RequestChannel { stream_id, .. }
        | Event::RequestResponse { stream_id, .. }
        | Event::Response { stream_id, .. }
        | Event::RequestFailed { stream_id, .. }
        | Event::RequestRefused { stream_id, .. }
        | Event::RequestStream { stream_id, .. }
        | Event::SendingCanceled { stream_id }
        | Event::StreamViolation { stream_id, .. } => *stream_id,
        _ => StreamId::CONNECTION,
    }
}

/// Data and metadata of so many bytes, which differ from place to place.
pub(crate) fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect()
}

const MAX_EVENTS: usize = 1024;
