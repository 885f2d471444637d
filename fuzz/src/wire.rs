//! A stream in memory whose other end is a fuzz target.

use async_tungstenite::tungstenite::handshake::machine::TryParse;
use async_tungstenite::tungstenite::http::Request;
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_runtime::websocket::{self, WebSocket, WebSocketConfig};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Both ends of a stream; a clone is the other one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// What is to be read.
    incoming: VecDeque<u8>,
    has_ended: bool,
    /// What was written, and how much was ever.
    outgoing: Vec<u8>,
    sent: usize,
    /// How much the next writes take, in turn; 0 for not now. All, where there is none.
    takes: Vec<u8>,
    turn: usize,
    /// The last write took nothing: the next one does.
    has_stalled: bool,
}

impl Wire {
    /// A stream on which nothing has come yet, and which takes all that is written.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Bytes arrive.
    pub(crate) fn push(&self, bytes: &[u8]) {
        self.0.borrow_mut().incoming.extend(bytes);
    }

    /// No more bytes will arrive.
    pub(crate) fn end(&self) {
        self.0.borrow_mut().has_ended = true;
    }

    /// What was written since the last time.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().outgoing)
    }

    /// How many bytes were ever written.
    pub(crate) fn sent(&self) -> usize {
        self.0.borrow().sent
    }

    /// Each write takes at most so many bytes, in turn, or none for 0, but only once.
    pub(crate) fn take_only(&self, lens: &[u8]) {
        self.0.borrow_mut().takes = lens.to_vec();
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        let len = buf.len().min(state.incoming.len());
        if len == 0 && !state.has_ended {
            return Poll::Pending;
        }
        for (to, from) in buf.iter_mut().zip(state.incoming.drain(..len)) {
            *to = from;
        }
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        let turn = state.turn;
        state.turn += 1;
        let takes = match state.takes.len() {
            0 => usize::MAX,
            len => state.takes[turn % len].into(),
        };
        state.has_stalled = takes == 0 && !state.has_stalled;
        if state.has_stalled {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (taken, _) = buf.split_at(buf.len().min(takes.max(1)));
        state.outgoing.extend_from_slice(taken);
        state.sent += taken.len();
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls for as long as it asks to be polled again.
pub(crate) fn drained<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..POLLS_MAX {
        if !woken.0.swap(false, Ordering::Relaxed) {
            return Poll::Pending;
        }
        if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(value);
        }
    }
    panic!("it never comes to rest");
}

/// A client whose server accepts it: the way to a WebSocket in that role.
///
/// # Panics
///
/// If our server would refuse our client.
pub(crate) fn connect(wire: &Wire, config: &WebSocketConfig) -> WebSocket<Wire> {
    let mut connecting = pin!(websocket::connect(wire.clone(), "host", "/", config));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(connecting.as_mut().poll(&mut cx).is_pending());
    wire.push(accept(&wire.take()).as_bytes());
    match connecting.poll(&mut cx) {
        Poll::Ready(Ok(socket)) => socket,
        other => panic!("not connected: {other:?}"),
    }
}

/// What our server answers to a request of our client.
///
/// # Panics
///
/// If it would refuse it.
pub(crate) fn accept(request: &[u8]) -> String {
    let parsed = Request::try_parse(request).expect("our client writes HTTP");
    let (len, request_head) = parsed.expect("our client writes a whole request");
    assert_eq!(len, request.len());
    let answer = websocket::answer(&request_head).expect("our server takes our client");
    let mut text = "HTTP/1.1 101 Switching Protocols\r\n".to_owned();
    for (name, value) in answer.headers() {
        let value = value.to_str().expect("text");
        write!(text, "{name}: {value}\r\n").expect("a String");
    }
    text + "\r\n"
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const POLLS_MAX: usize = 100_000;
