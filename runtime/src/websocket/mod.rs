//! RSocket's WebSocket transport on any stream (Protocol.md, "WebSocket"; RFC 6455).
//!
//! [`WebSocket`] makes a WebSocket look like a TCP connection, so that [`drive`](crate::drive) needs no second
//! path: reading yields the frames that came as binary messages, each with the length prefix of RSocket's
//! [framing](prometheus_rsocket_protocol::rsocket::framing) before it; of the prefixed frames that are written, each is sent
//! as one binary message. [`connect`] asks a server for one, [`answer`] says what a server answers.
//!
//! What comes and goes on the wire is what rsocket-java does: one frame per message, never fragmented, no prefix, no
//! sub-protocol, no extensions. Messages that come in fragments are joined, which rsocket-java cannot do.
//!
//! # Memory
//!
//! A WebSocket frame announces its length as RSocket's framing does. So a message is passed on while it arrives, and
//! goes out while it is written: none is held as a whole, however long, and back-pressure works byte by byte. What is
//! held, at most:
//!
//! - while idle, the value itself: some 400 bytes and nothing on the heap;
//! - 16 KiB that are written and not yet taken by the stream, and one pong;
//! - a message that comes in fragments, until its last one: [`max_message_len`](WebSocketConfig::max_message_len)
//!   bytes, in a buffer that grows by doubling; of the first message [`max_first_len`](WebSocketConfig::max_first_len).
//!
//! That is why tungstenite's own `WebSocket` is not used, only its header codec and handshake: it holds each
//! message in both directions, keeps the memory of the longest for as long as the connection lives, and reports an
//! end in the middle of a message as it does any other.

mod decode;
mod encode;
mod handshake;
mod mask;
mod stream;
#[cfg(test)]
mod tests;
mod upgrade;
mod violation;

pub use handshake::connect;
pub use stream::WebSocket;
pub use upgrade::{Refusal, answer};

use prometheus_rsocket_protocol::rsocket::framing::MAX_RECEIVED_FRAME;

/// The bounds of one WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// The longest message to accept, in bytes; over several fragments, their sum. More than 16,777,215, which is
    /// all that a frame's prefix can tell, is taken as that.
    pub max_message_len: usize,
    /// The longest first message to accept if it comes in fragments, in bytes; not more than
    /// [`max_message_len`](Self::max_message_len). A server has not heard then who its peer is, and has to hold all of it to hand
    /// it on. One in a single frame is not held, and is refused by who reads it.
    pub max_first_len: usize,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self { max_message_len: MAX_RECEIVED_FRAME, max_first_len: MAX_RECEIVED_FRAME }
    }
}
