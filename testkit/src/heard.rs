//! What one connection makes of bytes, however they are split and whenever its output is taken.

use crate::world::{end_pause, epoch};
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Event};
use prometheus_rsocket_protocol::rsocket::framing::{MAX_RECEIVED_FRAME, split_frame};
use prometheus_rsocket_protocol::{Connection, Machine};

/// The output of a connection for some input.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    /// The events for its owner.
    pub events: Vec<Event>,
    /// The frames that it sent, without prefixes.
    pub output: Vec<Bytes>,
}

/// When output and events are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drain {
    /// When no more input is wanted, and at the end.
    WhenFull,
    /// Also at each cut, as the cut says: output, events.
    AtCuts,
}

impl Heard {
    /// Returns the output of a server that receives `input`, split at `cuts`, which are in order, and then the end.
    pub fn of(config: &Config, input: &[u8], cuts: &[(usize, bool, bool)], drain: Drain) -> Self {
        Self::by(Connection::server(config.clone(), epoch()), input, cuts, drain)
    }

    /// Does the same with any connection.
    pub fn by(
        mut connection: Connection,
        input: &[u8],
        cuts: &[(usize, bool, bool)],
        drain: Drain,
    ) -> Self {
        let mut now = epoch();
        let mut heard = Self::default();
        let mut buffer = BytesMut::new();
        let mut from = 0;
        for (at, output, events) in cuts.iter().copied().chain([(input.len(), false, false)]) {
            buffer.extend_from_slice(&input[from..at]);
            from = at;
            connection.handle_input(now, &mut buffer);
            while !connection.wants_input() && !connection.is_closed() {
                heard.drain(&mut connection, true, true);
                // The owner may answer an event.
                heard.drain(&mut connection, true, true);
                now = end_pause(&mut connection, now);
                assert!(connection.wants_input() || connection.is_closed(), "stuck");
                connection.handle_input(now, &mut buffer);
            }
            if drain == Drain::AtCuts {
                heard.drain(&mut connection, output, events);
            }
        }
        heard.drain(&mut connection, true, true);
        connection.handle_eof(now);
        // Some connections outlive their transport, but not forever.
        if connection.is_suspended() {
            connection.handle_timeout(connection.poll_timeout().unwrap());
        }
        heard.drain(&mut connection, true, true);
        heard
    }

    fn drain(&mut self, connection: &mut Connection, output: bool, events: bool) {
        let mut sent = BytesMut::new();
        while output && connection.poll_transmit(epoch(), &mut sent) {
            self.output.extend(split_frame(&mut sent, MAX_RECEIVED_FRAME).unwrap());
        }
        while events && let Some(event) = connection.poll_event() {
            if matches!(event, Event::ResumeReceived { .. }) {
                connection.reject_resume(epoch(), "there is nothing to resume");
            }
            self.events.push(event);
        }
    }
}
