use bytes::BytesMut;
use std::time::Instant;

/// The verbs that every connection-shaped machine of this crate shares, so that one driver serves them all:
/// [`Connection`](crate::rsocket::Connection) itself, and what the metrics half builds on it for either side.
///
/// A driver calls the `handle_*` methods with what happened and then, in any order and at any time, the outputs.
/// No method fails, blocks, or reads a clock; none needs another to have been called first.
pub trait Machine {
    /// Takes whole frames off the front of `input` and leaves the rest. Frames that the machine does not want yet
    /// ([`wants_input`](Self::wants_input) is false) stay in the buffer as well; call again when it is true.
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut);

    /// The peer will send nothing more, or the transport failed.
    fn handle_eof(&mut self, now: Instant);

    /// The transport failed, for a reason that is worth to be told. By default the same as [`handle_eof`](Self::handle_eof).
    fn handle_transport_failed(&mut self, now: Instant, error: &str) {
        let _ = error;
        self.handle_eof(now);
    }

    /// Lets time pass. Afterwards [`poll_timeout`](Self::poll_timeout) is later than `now`, or `None`.
    fn handle_timeout(&mut self, now: Instant);

    /// Appends the next frame to `output`, and says whether there was one.
    fn poll_transmit(&mut self, now: Instant, output: &mut BytesMut) -> bool;

    /// When [`handle_timeout`](Self::handle_timeout) is due next, if nothing else happens.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether more input may be read: false while a bound on what is held is reached, and once closed.
    fn wants_input(&self) -> bool;

    /// Whether several exchanges are under way, so that more is likely to be handed in at the same time. A driver then lets others run
    /// before it writes, so that the frames of all go out at once. By default never.
    fn is_pipelined(&self) -> bool {
        false
    }

    /// Bytes that are held for the peer: payloads that are not whole, what waits to be sent, and what waits for the owner. The machine bounds
    /// them itself; this lets whoever runs many machines bound the sum. What is left in the caller's buffers does not count.
    fn held_bytes(&self) -> usize;

    /// Whether the connection is over: nothing more will come out, and the transport should be closed.
    fn is_closed(&self) -> bool;

    /// Whether the transport that it runs over is of any use to it. False without being closed while it waits for another one, as a
    /// [`Connection`](crate::rsocket::Connection) does that is to be resumed: the transport is then to be dropped, and the machine kept.
    fn wants_transport(&self) -> bool {
        !self.is_closed()
    }
}
