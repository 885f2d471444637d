//! The push before the end.

use super::{Agent, Event, PushFailure, PushMode, State, Target};
use crate::Payload;
use crate::rsocket::connection::RequestError;
use crate::rsocket::frame::StreamId;
use std::time::Instant;

/// The push before the end.
#[derive(Debug)]
pub(super) struct LastPush {
    /// `None` is beyond the end of time.
    pub(super) deadline: Option<Instant>,
    pub(super) stage: Stage,
    /// It was sent on a connection that then ended without an answer.
    pub(super) was_sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Key,
    Metrics,
    Acknowledgement(StreamId),
    /// Sent without asking for an answer, and the connection is closing; whether the transport has all of it.
    Leaving {
        is_out: bool,
    },
}

impl Agent {
    pub(super) fn push(&mut self, now: Instant, payload: Payload) {
        let mode = self.config.push;
        let Some(connection) = self.connection() else {
            // The connection went while the metrics were being sealed; the next one's key asks for them again.
            return;
        };
        let sent = match mode {
            PushMode::Acknowledged => connection.request_response(payload),
            PushMode::FireAndForget => connection.fire_and_forget(payload),
        };
        match (sent, &mut self.last) {
            (Ok(stream_id), Some(last)) if mode == PushMode::Acknowledged => {
                last.stage = Stage::Acknowledgement(stream_id);
            }
            (Ok(_), Some(last)) => {
                last.stage = Stage::Leaving { is_out: false };
                self.begin_stop(now);
            }
            // The proxy is ending the connection: the next one gets the push.
            (Err(RequestError::Closed | RequestError::NotSetUp), _) | (Ok(_), None) => {}
            (Err(error), _) => self.on_pushed(now, Err(PushFailure::NotSent(error.to_string()))),
        }
    }

    pub(super) fn on_push_ended(
        &mut self,
        now: Instant,
        stream_id: StreamId,
        result: Result<(), PushFailure>,
    ) {
        if self.last.as_ref().is_some_and(|last| last.stage == Stage::Acknowledgement(stream_id)) {
            self.on_pushed(now, result);
        }
    }

    /// The last push is over, one way or the other.
    pub(super) fn on_pushed(&mut self, now: Instant, result: Result<(), PushFailure>) {
        if self.last.take().is_some() {
            self.wanted.retain(|_, target| !matches!(target, Target::Push));
            self.events.push_back(Event::Pushed { result });
            self.begin_stop(now);
        }
    }

    pub(super) fn on_push_deadline(&mut self, now: Instant) {
        let Some(last) = &self.last else { return };
        if last.due().is_none_or(|due| due > now) {
            return;
        }
        if matches!(last.stage, Stage::Key)
            && !last.was_sent
            && !matches!(self.state, State::Connected { .. })
        {
            let reason = self.unconnected.take();
            let reason = reason.unwrap_or_else(|| "the proxy does not answer".to_owned());
            self.on_pushed(now, Err(PushFailure::NotConnected { reason }));
            return;
        }
        let waiting_for = match last.stage {
            Stage::Acknowledgement(_) | Stage::Leaving { .. } => UNACKNOWLEDGED,
            Stage::Key if last.was_sent => UNACKNOWLEDGED,
            Stage::Key => "no key came",
            Stage::Metrics => "the metrics did not come",
        };
        self.on_pushed(now, Err(PushFailure::TimedOut { waiting_for }));
    }
}

impl LastPush {
    /// When to give up.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.stage {
            // The connection has a limit of its own for closing.
            Stage::Leaving { .. } => None,
            Stage::Acknowledgement(_) | Stage::Key | Stage::Metrics => self.deadline,
        }
    }
}

const UNACKNOWLEDGED: &str = "the proxy has not said that it stored them";
