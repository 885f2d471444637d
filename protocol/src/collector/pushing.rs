//! Pushes: admitted, opened, held, acknowledged, served, superseded.

use super::job::{Job, Purpose};
use super::push::{Opening, PushId};
use super::requests::SlotOf;
use super::{
    Answer, AppId, AppRef, Collector, ConnectionId, JobError, Notice, PushError, PushShare,
    SessionCommand,
};
use crate::Payload;
use crate::rsocket::frame::StreamId;
use std::time::Instant;

#[cfg(planted_faults)]
use crate::planted::{Fault, is_planted};

impl Collector {
    pub(super) fn on_pushed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        stream_id: Option<StreamId>,
        payload: Payload,
    ) {
        let Some(app) = self.registry.app_of(connection) else { return };
        let bytes = payload.encoded_len();
        let opening = Opening { app, connection, stream_id, bytes };
        if let Err(error) = self.admit_push(now, app, bytes) {
            self.reject_push(opening, error);
            return;
        }
        let labels = self.registry.get(app).map(|app| app.hello.labels.clone());
        let push = PushId(self.number());
        let purpose = Purpose::Push { push };
        let job = Job { purpose, payload, labels: labels.unwrap_or_default() };
        self.jobs.add_push(app, job);
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
        match result.map_err(PushError::from).and_then(|answer| self.fit_push(opening.app, answer))
        {
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

    /// Takes a push that has come into account, or says why it is refused: because of its application's share, or because there is no
    /// room. Costs a few look-ups, also where a peer floods the proxy.
    fn admit_push(&mut self, now: Instant, app: AppId, bytes: usize) -> Result<(), PushError> {
        #[cfg(planted_faults)]
        if is_planted(Fault::PushesFirst) {
            return self.make_room(1, bytes);
        }
        let (opening, share) = self.pushes.share_of(app);
        let limit = self.config.max_app_opening;
        if opening >= limit {
            return Err(PushShare::Opening { limit }.into());
        }
        let limit = self.config.max_app_push_bytes;
        if share.saturating_add(bytes) > limit {
            return Err(PushShare::Bytes { limit }.into());
        }
        let (limit, burst) = (self.config.app_push_rate, self.config.app_push_burst);
        let entry = self.registry.get_mut(app);
        if entry.is_some_and(|entry| !entry.pace.take(now, limit, burst)) {
            return Err(PushShare::Rate { limit }.into());
        }
        self.make_room(1, bytes)
    }

    /// Whether there is room for a push that was opened: plaintext is compressed only now, and may have become longer.
    fn fit_push(&mut self, app: AppId, answer: Answer) -> Result<Answer, PushError> {
        // The one that it replaces makes room by itself.
        self.pushes.set_yielding(app, false);
        self.make_room(0, answer.block.len().saturating_sub(self.pushes.bytes_of(app)))?;
        Ok(answer)
    }

    /// Makes room for more pushes. Those of applications that live on give way, the oldest first; none is dropped unless that suffices.
    fn make_room(&mut self, count: usize, bytes: usize) -> Result<(), PushError> {
        let (limit, byte_limit) = (self.config.max_pushes, self.config.max_push_bytes);
        let (firm, firm_bytes) = self.pushes.firm();
        if firm + count > limit {
            return Err(PushError::TooMany { limit });
        }
        if firm_bytes.saturating_add(bytes) > byte_limit {
            return Err(PushError::TooLarge { limit: byte_limit });
        }
        while self.pushes.len() + count > limit || self.pushes.bytes() + bytes > byte_limit {
            let Some(app) = self.pushes.pop_yielding() else { break };
            let evicted = self.registry.reference(app).map(|app| Notice::PushEvicted { app });
            self.notices.extend(evicted);
            self.pin(app);
        }
        Ok(())
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
            self.notices.push_back(Notice::PushReplaced { app });
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
                PushError::OverShare(_)
                | PushError::TooLarge { .. }
                | PushError::TooMany { .. } => format!("the push is not stored: {error}"),
            };
            let command = SessionCommand::RejectPush { stream_id, message };
            self.commands.push_back((opening.connection, command));
        }
        let acknowledged = opening.stream_id.is_some();
        let app = self.registry.reference(opening.app);
        self.notices.extend(app.map(|app| Notice::PushRejected { app, acknowledged, error }));
    }
}
