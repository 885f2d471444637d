//! The [`Machine`] implementation, which a driver uses.

use super::{Agent, State};
use crate::Machine;
use bytes::BytesMut;
use std::time::Instant;

impl Machine for Agent {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        // The connection takes no input while its events wait; translating them makes room for more.
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

    /// [`Event::Disconnected`](super::Event::Disconnected) carries the error, unless the connection was over before.
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
        self.on_return_due(now);
        self.translate(now);
    }

    fn poll_transmit(&mut self, now: Instant, output: &mut BytesMut) -> bool {
        let Some(connection) = self.connection() else { return false };
        let sent = connection.poll_transmit(now, output);
        self.on_transmitted(now);
        self.translate(now);
        sent
    }

    /// The earliest of the connection's timeout, the deadline of the current push, and the time to probe an earlier proxy. The
    /// pause between connections is in [`Action::Wait`](super::Action::Wait) instead.
    fn poll_timeout(&self) -> Option<Instant> {
        let connection = match &self.state {
            State::Connected { connection, .. } => connection.poll_timeout(),
            State::Connecting | State::Stopped | State::Waiting { .. } => None,
        };
        [connection, self.pushes.due(), self.proxies.due()].into_iter().flatten().min()
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
        let connection = match &self.state {
            State::Connected { connection, .. } => connection.held_bytes(),
            State::Connecting | State::Stopped | State::Waiting { .. } => 0,
        };
        connection + self.pushes.held_bytes()
    }

    fn is_closed(&self) -> bool {
        match &self.state {
            State::Connected { connection, .. } => connection.is_closed(),
            State::Connecting | State::Stopped | State::Waiting { .. } => true,
        }
    }
}

/// Events that may wait before the agent wants no more input.
const MAX_EVENTS: usize = 64;
