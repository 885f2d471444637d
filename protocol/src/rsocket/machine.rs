use bytes::BytesMut;
use std::time::Instant;

/// The interface that all connection state machines of this crate share, so that one driver runs them all:
/// [`Connection`](crate::rsocket::Connection) itself, and the machines of the metrics half that are built on it, one for each
/// side.
///
/// A driver calls the `handle_*` methods when something happens, and takes the outputs in any order and at any time. No method
/// fails, blocks, or reads a clock, and no method requires that another was called first.
pub trait Machine {
    /// Takes whole frames off the front of `input` and leaves the rest. Frames also stay in the buffer while
    /// [`wants_input`](Self::wants_input) is false; call again when it is true.
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut);

    /// Reports that the peer will send nothing more, or that the transport failed.
    fn handle_eof(&mut self, now: Instant);

    /// Reports that the transport failed, with an error worth reporting. The default implementation calls
    /// [`handle_eof`](Self::handle_eof).
    fn handle_transport_failed(&mut self, now: Instant, error: &str) {
        let _ = error;
        self.handle_eof(now);
    }

    /// Acts on all deadlines up to `now`. Afterwards [`poll_timeout`](Self::poll_timeout) is later than `now`, or `None`.
    fn handle_timeout(&mut self, now: Instant);

    /// Appends the next frame to `output`; returns false if there is none.
    fn poll_transmit(&mut self, now: Instant, output: &mut BytesMut) -> bool;

    /// The time at which [`handle_timeout`](Self::handle_timeout) must be called next, if nothing else happens before; `None`
    /// for never.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether the machine takes more input. False while a limit on held data or on the peer's rate is reached, while the
    /// machine waits for a new transport, and once it is closed.
    fn wants_input(&self) -> bool;

    /// Whether several exchanges are under way, so that more output is likely to be queued at about the same time. A driver
    /// then yields to other tasks before it writes, so that all these frames go out at once. The default is false.
    fn is_pipelined(&self) -> bool {
        false
    }

    /// How many bytes the machine holds for the peer: payloads whose reassembly is not complete, frames that wait to be sent,
    /// and events that wait for the owner. Bytes in the caller's buffers do not count. The machine bounds this number itself;
    /// it is reported so that a program with many machines can bound the sum.
    fn held_bytes(&self) -> usize;

    /// Whether the connection is over. Nothing more comes out, and the transport should be closed.
    fn is_closed(&self) -> bool;

    /// Whether the machine still needs its transport. False if it is closed, and while it waits for another transport, as a
    /// [`Connection`](crate::rsocket::Connection) does before it is resumed: drop the transport then, and keep the machine.
    fn wants_transport(&self) -> bool {
        !self.is_closed()
    }
}
