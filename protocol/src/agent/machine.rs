//! The verbs that a driver uses.

use super::{Agent, LastPush, Stage, State};
use crate::Machine;
use bytes::BytesMut;
use std::time::Instant;

impl Machine for Agent {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        // The connection holds back input while its events wait; what is taken out of them makes room for more.
        loop {
            let before = input.len();
            let Some(connection) = self.connection() else { return };
            connection.handle_input(now, input);
            self.translate(now);
            if input.len() == before || !self.wants_input() {
                return;
            }
        }
    }

    fn handle_eof(&mut self, now: Instant) {
        if let Some(connection) = self.connection() {
            connection.handle_eof(now);
        }
        self.translate(now);
    }

    /// [`Event::Disconnected`](super::Event::Disconnected) tells the error, unless the connection was over before.
    fn handle_transport_failed(&mut self, now: Instant, error: &str) {
        self.translate(now);
        if self.connection().is_some() {
            self.transport_error = Some(error.to_owned());
        }
        self.handle_eof(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(connection) = self.connection() {
            connection.handle_timeout(now);
        }
        self.on_push_deadline(now);
        self.translate(now);
    }

    fn poll_transmit(&mut self, now: Instant, output: &mut BytesMut) -> bool {
        let Some(connection) = self.connection() else { return false };
        let sent = connection.poll_transmit(now, output);
        // The final ERROR is out, and so is all that was queued before it.
        if sent
            && connection.is_closed()
            && let Some(LastPush { stage: Stage::Leaving { is_out }, .. }) = &mut self.last
        {
            *is_out = true;
        }
        self.translate(now);
        sent
    }

    /// The connection's next timeout, or the end of the time that the last push has. The pause between connections is
    /// [`Action::Wait`](super::Action::Wait)'s.
    fn poll_timeout(&self) -> Option<Instant> {
        let connection = match &self.state {
            State::Connected { connection, .. } => connection.poll_timeout(),
            State::Connecting | State::Stopped | State::Waiting { .. } => None,
        };
        connection.into_iter().chain(self.last.as_ref().and_then(LastPush::due)).min()
    }

    fn wants_input(&self) -> bool {
        match &self.state {
            State::Connected { connection, .. } => {
                connection.wants_input() && self.events.len() < MAX_EVENTS
            }
            State::Connecting | State::Stopped | State::Waiting { .. } => false,
        }
    }

    fn held_bytes(&self) -> usize {
        match &self.state {
            State::Connected { connection, .. } => connection.held_bytes(),
            State::Connecting | State::Stopped | State::Waiting { .. } => 0,
        }
    }

    fn is_closed(&self) -> bool {
        match &self.state {
            State::Connected { connection, .. } => connection.is_closed(),
            State::Connecting | State::Stopped | State::Waiting { .. } => true,
        }
    }
}

/// Events that may wait before no more input is wanted.
const MAX_EVENTS: usize = 64;
