//! Pushes. One is under way at a time; all that are requested meanwhile share the next one.

use super::{Agent, Event, Key, PushFailure, PushId, PushMode, State, Target};
use crate::Payload;
use crate::envelope::v2::IdempotencyKey;
use crate::rsocket::connection::RequestError;
use crate::rsocket::frame::StreamId;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// The push that is under way, and the next one.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    current: Option<Push>,
    next: Option<Push>,
    next_id: u64,
}

#[derive(Debug)]
struct Push {
    id: PushId,
    /// Whether the agent stops after this push.
    is_last: bool,
    /// `None` if it overflows `Instant`.
    deadline: Option<Instant>,
    stage: Stage,
    /// Whether it was sent on a connection that ended without an answer.
    was_sent: bool,
    /// The key that its metrics are sealed under.
    key: Option<Key>,
    /// Its metrics as sealed in version 1. Kept until the push is over.
    payload: Option<Payload>,
    /// Its unsealed metrics in version 2, where they are sealed again for each connection. Kept until the push is over.
    text: Option<Bytes>,
    /// Identifies the push in version 2.
    idempotency: Option<IdempotencyKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for a connection with a key.
    Key,
    Metrics,
    Acknowledgement(StreamId),
    /// Needs no acknowledgement; waits until the transport has taken all of it.
    Transport(StreamId),
}

impl Pushes {
    /// The deadline of the current push. The next one was requested later, so its deadline is not earlier.
    pub(super) fn due(&self) -> Option<Instant> {
        self.current.as_ref().and_then(|push| push.deadline)
    }

    /// Bytes of metrics kept for the pushes.
    pub(super) fn held_bytes(&self) -> usize {
        let held = |push: &Push| {
            let payload = push.payload.as_ref().map_or(0, |payload| {
                payload.data.len() + payload.metadata.as_ref().map_or(0, Bytes::len)
            });
            payload + push.text.as_ref().map_or(0, Bytes::len)
        };
        self.current.as_ref().map_or(0, held)
    }

    pub(super) fn is_any(&self) -> bool {
        self.current.is_some()
    }

    /// Records the key that the current push is about to be sealed under, and the text if it is to be kept. Returns the push's
    /// idempotency key, if it already has one.
    pub(super) fn seal_under(&mut self, key: &Key, text: Option<Bytes>) -> Option<IdempotencyKey> {
        let push = self.current.as_mut()?;
        push.key = Some(key.clone());
        push.text = text;
        push.idempotency
    }

    /// The current push was sealed.
    pub(super) fn on_sealed(&mut self, idempotency: Option<IdempotencyKey>) {
        if let Some(push) = &mut self.current {
            push.idempotency = idempotency.or(push.idempotency);
        }
    }

    /// The text of the current push, if it is kept.
    pub(super) fn text(&self) -> Option<Bytes> {
        self.current.as_ref()?.text.clone()
    }

    /// The connection is gone.
    pub(super) fn on_disconnected(&mut self) {
        if let Some(push) = &mut self.current {
            push.was_sent |= matches!(push.stage, Stage::Acknowledgement(_));
            push.stage = Stage::Key;
        }
    }
}

impl Agent {
    /// Requests a push: asks for the metrics and pushes them. [`Event::Pushed`] follows with the returned id within
    /// [`Config::push_timeout`](super::Config::push_timeout).
    ///
    /// One push is under way at a time. Calls made meanwhile share one id and one later push, whose metrics are taken after all of those calls.
    ///
    /// Without a connection, the agent connects immediately. If the connection ends before the push is over, the push is sent
    /// again on the next one, within the time limit. In version 1 of the envelope, the same bytes are sent again if the key is
    /// still the same, so that a proxy which had stored them but whose acknowledgement was lost can recognise the push: sealing
    /// always draws a fresh key, so the same bytes mean the same push, except in plaintext mode. If the key has changed, the
    /// metrics are requested anew. In version 2 the same metrics are sealed again for each connection ([`Event::SealWanted`]),
    /// with the push's idempotency key.
    ///
    /// Returns `None` if the agent is closed or closing, or its last push is under way.
    pub fn push(&mut self, now: Instant) -> Option<PushId> {
        self.ask_for_push(now, false)
    }

    /// Like [`push`](Self::push), then closes; [`Event::Stopped`] follows. A push that is under way is finished first. If calls
    /// of [`push`](Self::push) already wait for the next push, this shares it, and its time limit starts again.
    pub fn push_and_close(&mut self, now: Instant) -> Option<PushId> {
        self.ask_for_push(now, true)
    }

    /// Whether a push is under way.
    pub fn is_pushing(&self) -> bool {
        self.pushes.is_any()
    }

    fn ask_for_push(&mut self, now: Instant, is_last: bool) -> Option<PushId> {
        let is_leaving = self.pushes.current.as_ref().is_some_and(|push| push.is_last);
        if self.is_stopping || is_leaving {
            return None;
        }
        let deadline = now.checked_add(self.config.push_timeout);
        if let Some(next) = &mut self.pushes.next {
            if is_last && !next.is_last {
                // The last push has the full time limit from now.
                next.is_last = true;
                next.deadline = deadline;
            }
            return Some(next.id);
        }
        let id = PushId(self.pushes.next_id);
        self.pushes.next_id += 1;
        let push = Push {
            id,
            is_last,
            deadline,
            stage: Stage::Key,
            was_sent: false,
            key: None,
            payload: None,
            text: None,
            idempotency: None,
        };
        self.pushes.next = Some(push);
        if self.pushes.current.is_none() {
            self.begin_next_push(now);
        }
        Some(id)
    }

    fn begin_next_push(&mut self, now: Instant) {
        self.pushes.current = self.pushes.next.take();
        if self.pushes.current.is_none() {
            return;
        }
        match &mut self.state {
            // A push does not wait for the pause to end.
            State::Waiting { until, pause } => {
                (*until, *pause) = (now.min(*until), Duration::ZERO);
            }
            State::Connected { has_key: true, .. } => self.go_on_with_push(now),
            State::Connected { .. } | State::Connecting | State::Stopped => {}
        }
    }

    /// A key has arrived: sends what is sealed under that key, or requests the metrics.
    pub(super) fn go_on_with_push(&mut self, now: Instant) {
        let Some(push) = self.pushes.current.as_mut().filter(|push| push.stage == Stage::Key)
        else {
            return;
        };
        if self.proxies.is_leaving() {
            return;
        }
        let State::Connected { seals, .. } = &self.state else { return };
        match &push.payload {
            Some(payload) if push.key == self.key && seals.pushes.is_none() => {
                let payload = payload.clone();
                self.send_push(now, payload);
            }
            _ => {
                push.stage = Stage::Metrics;
                push.payload = None;
                let is_kept = push.text.is_some();
                let ticket = self.want(Target::Push);
                self.events.push_back(match is_kept {
                    true => Event::SealWanted { ticket },
                    false => Event::MetricsWanted { ticket },
                });
            }
        }
    }

    pub(super) fn send_push(&mut self, now: Instant, payload: Payload) {
        let mode = self.config.push;
        if let Some(push) = self.pushes.current.as_mut().filter(|push| push.text.is_none()) {
            push.payload = Some(payload.clone());
        }
        // If the connection ended while the metrics were being sealed, the push goes to the next one.
        let Some(connection) = self.connection() else { return };
        let sent = match mode {
            PushMode::Acknowledged => {
                connection.request_response(payload).map(Stage::Acknowledgement)
            }
            PushMode::FireAndForget => connection.fire_and_forget(payload).map(Stage::Transport),
        };
        match (sent, &mut self.pushes.current) {
            (Ok(stage), Some(push)) => push.stage = stage,
            // The connection is ending, so the push goes to the next one.
            (Err(RequestError::Closed | RequestError::NotSetUp), _) | (Ok(_), None) => {}
            (Err(error), _) => self.on_pushed(now, Err(PushFailure::NotSent(error.to_string()))),
        }
    }

    /// Frames were taken for the transport, perhaps the last ones of a push.
    pub(super) fn on_transmitted(&mut self, now: Instant) {
        let Some(Push { stage: Stage::Transport(stream_id), .. }) = self.pushes.current else {
            return;
        };
        if self.connection().is_some_and(|connection| !connection.has_output(stream_id)) {
            self.on_pushed(now, Ok(()));
        }
    }

    pub(super) fn on_push_ended(
        &mut self,
        now: Instant,
        stream_id: StreamId,
        result: Result<(), PushFailure>,
    ) {
        let stage = self.pushes.current.as_ref().map(|push| push.stage);
        if stage == Some(Stage::Acknowledgement(stream_id)) {
            self.on_pushed(now, result);
        }
    }

    /// The push has succeeded or failed.
    pub(super) fn on_pushed(&mut self, now: Instant, result: Result<(), PushFailure>) {
        let Some(push) = self.pushes.current.take() else { return };
        for (ticket, _) in self.wanted.extract_if(.., |_, target| matches!(target, Target::Push)) {
            self.events.push_back(Event::Canceled { ticket });
        }
        if let (Stage::Acknowledgement(stream_id), Err(PushFailure::TimedOut { .. }), false) =
            (push.stage, &result, push.is_last)
        {
            // A proxy that never answers must not use up the streams of a connection that goes on.
            let _ = self.connection().map(|connection| connection.cancel(stream_id));
        }
        self.events.push_back(Event::Pushed { push: push.id, is_last: push.is_last, result });
        if push.is_last {
            self.begin_stop(now);
        } else {
            self.begin_next_push(now);
        }
    }

    /// Fails all pushes because the agent is closing.
    pub(super) fn end_pushes(&mut self, now: Instant, failure: &PushFailure) {
        let next = self.pushes.next.take();
        self.on_pushed(now, Err(failure.clone()));
        if let Some(Push { id, is_last, .. }) = next {
            let result = Err(failure.clone());
            self.events.push_back(Event::Pushed { push: id, is_last, result });
        }
    }

    pub(super) fn on_push_deadline(&mut self, now: Instant) {
        // At most two rounds: the push that is under way, and the next one.
        while let Some(push) = &self.pushes.current
            && push.deadline.is_some_and(|due| due <= now)
        {
            let failure = match push.stage {
                Stage::Acknowledgement(_) => timed_out(UNACKNOWLEDGED),
                Stage::Transport(_) => timed_out("the transport has not taken all of them"),
                Stage::Metrics => timed_out("the metrics did not come"),
                Stage::Key if push.was_sent => timed_out(UNACKNOWLEDGED),
                Stage::Key if matches!(self.state, State::Connected { .. }) => {
                    timed_out("no key came")
                }
                Stage::Key => {
                    let reason = self.unconnected.clone();
                    let reason = reason.unwrap_or_else(|| "the proxy does not answer".to_owned());
                    PushFailure::NotConnected { reason }
                }
            };
            self.on_pushed(now, Err(failure));
        }
    }
}

fn timed_out(waiting_for: &'static str) -> PushFailure {
    PushFailure::TimedOut { waiting_for }
}

const UNACKNOWLEDGED: &str = "the proxy has not said that it stored them";
