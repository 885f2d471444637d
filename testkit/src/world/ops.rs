//! What owners, drivers, the network and the clock do, as values.

use bytes::Bytes;
use prometheus_rsocket_protocol::rsocket::frame::Frame;

/// Either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Who opened the transport.
    Client,
    /// Who accepted it.
    Server,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// REQUEST_RESPONSE.
    Response,
    /// REQUEST_STREAM.
    Stream,
    /// REQUEST_CHANNEL.
    Channel {
        /// Whether its first payload is its last.
        complete: bool,
    },
}

/// One thing that an owner, a driver, the network, or the clock does. A stream is named by its place among those that its owner knows.
#[derive(Clone, Debug)]
pub enum Op {
    /// Milliseconds pass, two to this power.
    Advance(u32),
    /// The clock jumps to this side's next timeout.
    Alarm(Who),
    /// The last payload of a stream, or the answer.
    Answer(Who, usize),
    /// A request with so many bytes, and so much credit where it takes some.
    Ask(Who, Ask, usize, u32),
    /// CANCEL.
    Cancel(Who, usize),
    /// The connection is closed.
    Close(Who),
    /// The last payload of a stream was the last.
    Complete(Who, usize),
    /// Up to so many of the bytes on their way to this side arrive.
    Deliver(Who, usize),
    /// The transport is gone after up to so many more bytes each way, which may be in the middle of a frame. This side notices.
    Eof(Who, usize),
    /// EXT, of so many bytes.
    Extend(Who, usize),
    /// A frame arrives that the other side did not send, after all that it did.
    Forge(Who, Frame),
    /// Bytes arrive that the other side did not send, after all that it did.
    Garble(Who, Bytes),
    /// LEASE: seconds, and requests.
    Lease(Who, u64, u32),
    /// REQUEST_N.
    More(Who, usize, u32),
    /// METADATA_PUSH, of so many bytes.
    Push(Who, usize),
    /// ERROR on a stream.
    Reject(Who, usize),
    /// A suspended client gets a new transport.
    Resume,
    /// A payload of so many bytes on a stream.
    Say(Who, usize, usize),
    /// Up to so many frames are sent.
    Send(Who, usize),
    /// Up to so many events are taken.
    Take(Who, usize),
    /// Fire-and-forget, of so many bytes.
    Tell(Who, usize),
}

impl Who {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
