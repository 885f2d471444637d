//! Operations of owners, drivers, the network and the clock, as values.

use bytes::Bytes;
use prometheus_rsocket_protocol::rsocket::frame::Frame;

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The side that opened the transport.
    Client,
    /// The side that accepted it.
    Server,
}

/// The interaction of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// REQUEST_RESPONSE.
    Response,
    /// REQUEST_STREAM.
    Stream,
    /// REQUEST_CHANNEL.
    Channel {
        /// Whether its first payload is also its last.
        complete: bool,
    },
}

/// One operation of an owner, a driver, the network, or the clock. A stream is named by its index among those that its owner knows.
#[derive(Clone, Debug)]
pub enum Op {
    /// Time passes: two to this power, in milliseconds.
    Advance(u32),
    /// The clock jumps to this side's next timeout.
    Alarm(Who),
    /// The last payload of a stream, or the answer.
    Answer(Who, usize),
    /// A request with this many bytes, and with this credit if it takes some.
    Ask(Who, Ask, usize, u32),
    /// CANCEL.
    Cancel(Who, usize),
    /// The connection is closed.
    Close(Who),
    /// Completes a stream without a further payload.
    Complete(Who, usize),
    /// Up to this many of the bytes on their way to this side arrive.
    Deliver(Who, usize),
    /// The transport ends after up to this many more bytes in each direction, possibly in the middle of a frame. This side notices.
    Eof(Who, usize),
    /// EXT, with this many bytes.
    Extend(Who, usize),
    /// A frame arrives that the other side did not send, after everything that it sent.
    Forge(Who, Frame),
    /// Bytes arrive that the other side did not send, after everything that it sent.
    Garble(Who, Bytes),
    /// LEASE: seconds, and requests.
    Lease(Who, u64, u32),
    /// REQUEST_N.
    More(Who, usize, u32),
    /// METADATA_PUSH, with this many bytes.
    Push(Who, usize),
    /// ERROR on a stream.
    Reject(Who, usize),
    /// A suspended client gets a new transport.
    Resume,
    /// A payload of this many bytes on a stream.
    Say(Who, usize, usize),
    /// Up to this many frames are sent.
    Send(Who, usize),
    /// Up to this many events are taken.
    Take(Who, usize),
    /// Fire-and-forget, with this many bytes.
    Tell(Who, usize),
}

impl Who {
    /// Returns the other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
