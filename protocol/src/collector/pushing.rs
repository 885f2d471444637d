//! Pushes: opened, held, acknowledged, served, superseded.

use super::job::{Job, Purpose};
use super::push::{Opening, PushId};
use super::requests::SlotOf;
use super::{Answer, AppRef, Collector, ConnectionId, JobError, Notice, PushError, SessionCommand};
use crate::Payload;
use crate::rsocket::frame::StreamId;
use std::time::Instant;

#[cfg(planted_faults)]
use crate::planted::{Fault, is_planted};

impl Collector {
    pub(super) fn on_pushed(
        &mut self,
        connection: ConnectionId,
        stream_id: Option<StreamId>,
        payload: Payload,
    ) {
        let Some(app) = self.registry.app_of(connection) else { return };
        let bytes = payload.encoded_len();
        let opening = Opening { app, connection, stream_id, bytes };
        if let Err(error) = self.admit_push(bytes) {
            self.reject_push(opening, error);
            return;
        }
        let labels = self.registry.get(app).map(|app| app.hello.labels.clone());
        let push = PushId(self.number());
        let purpose = Purpose::Push { push };
        let job = Job { purpose, payload, labels: labels.unwrap_or_default() };
        self.job_bytes += job.held();
        self.jobs.push_back(job);
        self.pushes.on_opening(push, opening);
        self.pin(app);
        #[cfg(planted_faults)]
        if is_planted(Fault::EarlyAcknowledgement) {
            self.acknowledge_push(opening);
        }
    }

    pub(super) fn on_push_opened(
        &mut self,
        now: Instant,
        push: PushId,
        result: Result<Answer, JobError>,
    ) {
        let Some(opening) = self.pushes.on_opened(push) else { return };
        match result.map_err(PushError::from).and_then(|answer| self.fit_push(opening, answer)) {
            Ok(answer) => self.hold_push(now, push, opening, answer),
            Err(error) => self.reject_push(opening, error),
        }
        self.pin(opening.app);
        for (scrape, slot, failure) in self.scrapes.on_push_opened(push) {
            let slot = SlotOf { scrape, slot, app: opening.app };
            self.fail_slot(now, slot, failure, true);
        }
    }

    pub(super) fn on_push_delivered(&mut self, push: PushId) {
        let Some(app) = self.pushes.remove_served(push) else { return };
        self.notices.extend(self.registry.reference(app).map(|app| Notice::PushServed { app }));
        self.pin(app);
    }

    /// Whether there is room for a push that has come.
    fn admit_push(&self, bytes: usize) -> Result<(), PushError> {
        let (limit, byte_limit) = (self.config.max_pushes, self.config.max_push_bytes);
        if self.pushes.len() >= limit {
            return Err(PushError::TooMany { limit });
        }
        let is_full = self.pushes.bytes() + bytes > byte_limit
            || self.pending_bytes() + bytes > self.config.max_pending_bytes;
        if is_full { Err(PushError::TooLarge { limit: byte_limit }) } else { Ok(()) }
    }

    /// Whether there is room for a push that was opened: plaintext is compressed only now, and may have become longer.
    fn fit_push(&self, opening: Opening, answer: Answer) -> Result<Answer, PushError> {
        let limit = self.config.max_push_bytes;
        let replaced = self.pushes.bytes_of(opening.app);
        match self.pushes.bytes() - replaced + answer.block.len() > limit {
            true => Err(PushError::TooLarge { limit }),
            false => Ok(answer),
        }
    }

    fn hold_push(&mut self, now: Instant, push: PushId, opening: Opening, mut answer: Answer) {
        answer.is_push = true;
        let expires = now + self.config.push_ttl;
        let Some(entry) = self.registry.get_mut(opening.app) else { return };
        entry.pushes += 1;
        let app = AppRef::from(&*entry);
        let is_one_dropped = self.pushes.insert(opening.app, push, answer, expires);
        self.acknowledge_push(opening);
        let acknowledged = opening.stream_id.is_some();
        self.notices.push_back(Notice::PushHeld { app: app.clone(), acknowledged });
        if is_one_dropped {
            self.notices.push_back(Notice::PushSuperseded { app });
        }
    }

    fn acknowledge_push(&mut self, opening: Opening) {
        if let Some(stream_id) = opening.stream_id {
            let command = SessionCommand::AcknowledgePush { stream_id };
            self.commands.push_back((opening.connection, command));
        }
    }

    fn reject_push(&mut self, opening: Opening, error: PushError) {
        if let Some(stream_id) = opening.stream_id {
            // Which step of opening failed is for our log alone: a peer that learned it could probe the key with it.
            let message = match &error {
                PushError::Job(_) => {
                    "the push is not stored: it cannot be opened or read".to_owned()
                }
                PushError::TooLarge { .. } | PushError::TooMany { .. } => {
                    format!("the push is not stored: {error}")
                }
            };
            let command = SessionCommand::RejectPush { stream_id, message };
            self.commands.push_back((opening.connection, command));
        }
        let acknowledged = opening.stream_id.is_some();
        let app = self.registry.reference(opening.app);
        self.notices.extend(app.map(|app| Notice::PushRejected { app, acknowledged, error }));
    }
}
