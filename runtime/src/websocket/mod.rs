//! RSocket's WebSocket transport on any stream (Protocol.md, "WebSocket"; RFC 6455).
//!
//! [`WebSocket`] makes a WebSocket look like a TCP connection, so that [`drive`](crate::drive) needs no second path. Reading
//! yields the frames that arrive as binary messages, each after the length prefix of RSocket's
//! [framing](prometheus_rsocket_protocol::rsocket::framing); each prefixed frame that is written is sent as one binary message.
//! [`connect`] is the client's handshake, [`answer`] the server's.
//!
//! The wire format is that of rsocket-java: one frame per message, never fragmented, no prefix, no sub-protocol, no extensions.
//! Fragmented messages are joined, which rsocket-java cannot do.
//!
//! # Memory
//!
//! A WebSocket frame announces its length, as RSocket's framing does. So a message is passed on while it arrives, and sent
//! while it is written: none is held as a whole, however long, and back-pressure works byte by byte. At most this is held:
//!
//! - while idle, the value itself: some 400 bytes and nothing on the heap;
//! - 16 KiB of written bytes that the stream has not taken, and one pong;
//! - a fragmented message until its last fragment: [`max_message_len`](WebSocketConfig::max_message_len) bytes, in a buffer
//!   that grows by doubling; for the first message [`max_first_len`](WebSocketConfig::max_first_len).
//!
//! Therefore only the header codec and the handshake of tungstenite are used, not its `WebSocket`: that holds each message in both directions,
//! keeps the memory of the longest one as long as the connection lives, and reports an end within a message like any other end.

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
    /// The maximum length of a received message in bytes, over all its fragments. Values over 16,777,215, the most that a
    /// frame's prefix can express, count as that.
    pub max_message_len: usize,
    /// The maximum length of the first message if it is fragmented, in bytes; capped at
    /// [`max_message_len`](Self::max_message_len). At that point a server does not know its peer, and has to hold the whole
    /// message to pass it on. An unfragmented message is not held; refusing it is up to the reader.
    pub max_first_len: usize,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self { max_message_len: MAX_RECEIVED_FRAME, max_first_len: MAX_RECEIVED_FRAME }
    }
}
