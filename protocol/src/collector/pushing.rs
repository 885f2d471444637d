//! The life of a push: admitted, opened, held, acknowledged, served, superseded.

use super::content::ContentKeys;
use super::job::{JobDone, JobError, Purpose};
use super::push::{Held, Opening, PushId, Read};
use super::requests::SlotOf;
use super::scrapers::Whose;
use super::{
    Answer, App, AppId, AppRef, Collector, ConnectionId, Job, Notice, PushError, PushEviction,
    PushKeep, ScrapeId, SessionCommand,
};
use crate::Payload;
use crate::envelope::OpenError;
use crate::envelope::v2::{Binding, Expected, KnownKey};
use crate::rsocket::frame::StreamId;
use std::sync::Arc;
use std::time::Instant;

#[cfg(planted_faults)]
use crate::planted::{Fault, is_planted};

impl Collector {
    pub(super) fn on_pushed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        stream_id: Option<StreamId>,
        (payload, binding): (Payload, Option<Binding>),
    ) {
        let Some(app) = self.registry.app_of(connection) else { return };
        let (bytes, superseded) = (payload.encoded_len(), Default::default());
        let opening = Opening { app, connection, stream_id, bytes, superseded };
        if let Err(error) = self.admit_push(now, app, bytes) {
            self.reject_push(opening, error);
            return;
        }
        let labels = self.registry.get(app).map(App::injected);
        let push = PushId(self.number());
        let purpose = Purpose::Push { push };
        let known = self.content_keys.get(&connection).map(ContentKeys::all).unwrap_or_default();
        let expected = binding.map(|binding| Expected { binding, is_push: true, known });
        let job = Job { purpose, payload, expected, labels: labels.unwrap_or_default() };
        self.jobs.add_push(app, job);
        self.pushes.on_opening(push, opening);
        self.pin(app);
        #[cfg(planted_faults)]
        if is_planted(Fault::EarlyAcknowledgement) {
            self.acknowledge_push(opening);
        }
    }

    pub(super) fn on_push_opened(&mut self, now: Instant, push: PushId, done: JobDone) {
        let Some(opening) = self.pushes.get_opening(push) else { return };
        let expires = now + self.config.push_ttl;
        let replayed = self.note_push_counter(opening.connection, done.content);
        let result = replayed.map_or(done.result, Err);
        let read = match (result, done.sealed) {
            (Ok(answer), Some(sealed)) => Ok(Read { answer, sealed, expires }),
            (Ok(_), None) => Err(JobError::Worker.into()),
            (Err(error), _) => Err(error.into()),
        };
        match read {
            Ok(read) if self.config.stores_pushes && !self.is_repeated(&opening, &read) => {
                self.store_push(push, &opening, read);
            }
            read => self.settle_push(now, push, read, false),
        }
    }

    /// Records the counter of a push in version 2 of the envelope, now that it is authenticated. Returns an error if it was used before.
    fn note_push_counter(
        &mut self,
        connection: ConnectionId,
        content: Option<(Arc<KnownKey>, u64)>,
    ) -> Option<JobError> {
        let (key, counter) = content?;
        let id = key.id();
        self.learn_content_key(connection, Some(key));
        // On a closed connection nothing can be replayed, so its pushes are not checked.
        let keys = self.content_keys.get_mut(&connection)?;
        let is_new = keys.accept(id, counter);
        (!is_new).then_some(JobError::Open(OpenError::Replayed { counter }))
    }

    /// Completes a push: it was opened, and stored if required, or has failed. Its application gets the result.
    pub(super) fn settle_push(
        &mut self,
        now: Instant,
        push: PushId,
        read: Result<Read, PushError>,
        is_stored: bool,
    ) {
        let Some(opening) = self.pushes.on_opened(push) else { return };
        match read {
            Ok(read) if self.is_repeated(&opening, &read) => self.on_push_repeated(opening),
            Ok(mut read) => {
                read.answer.is_push = true;
                match self.hold_push(
                    now,
                    push,
                    Held::new(opening.app, opening.superseded, read, is_stored),
                ) {
                    Ok(replaced) => self.on_push_held(opening, replaced),
                    Err(error) => self.reject_push(opening, error),
                }
            }
            Err(error) => self.reject_push(opening, error),
        }
        if is_stored && self.pushes.get(push).is_none() {
            self.pushes.forget_stored(push);
        }
        self.pin(opening.app);
        for (scrape, slot, failure) in self.scrapes.on_push_opened(push) {
            let slot = SlotOf { scrape, slot, app: opening.app };
            self.fail_slot(now, slot, failure, true);
        }
    }

    /// Whether a push is already held: by the same identity, or by any if only this application can have sent the same bytes.
    fn is_repeated(&self, opening: &Opening, read: &Read) -> bool {
        let mut holders = self.pushes.with_digest(&read.sealed.digest).peekable();
        if holders.peek().is_none() || read.sealed.is_unique {
            return holders.peek().is_some();
        }
        let same = self.registry.same_as(opening.app);
        holders.any(|app| same.contains(&app))
    }

    fn on_push_repeated(&mut self, opening: Opening) {
        self.acknowledge_push(opening);
        let acknowledged = opening.stream_id.is_some();
        let app = self.registry.reference(opening.app);
        self.notices.extend(app.map(|app| Notice::PushRepeated { app, acknowledged }));
    }

    /// Holds a push if there is room, and drops those that it replaces. Returns how many replacements there were, which is 1 if
    /// a later push already replaces this one.
    pub(super) fn hold_push(
        &mut self,
        now: Instant,
        push: PushId,
        held: Held,
    ) -> Result<usize, PushError> {
        let mut replaced = Vec::new();
        if self.config.push_keep == PushKeep::Last {
            if let Some(later) = self.pushes.covering(push, &held) {
                self.pushes.remember_replaced(later, &held);
                return Ok(1);
            }
            replaced = self.pushes.covered_by(push, &held);
        }
        let (app, bytes) = (held.app, held.answer.block.len());
        self.make_share(now, app, 1, bytes, &replaced)?;
        self.make_room(now, 1, bytes, &replaced)?;
        self.pushes.insert(push, held);
        self.drop_replaced(push, &replaced);
        Ok(replaced.len())
    }

    fn drop_replaced(&mut self, by: PushId, replaced: &[PushId]) {
        // The latest first: its digest is remembered longest.
        for id in replaced.iter().rev() {
            if let Some(held) = self.pushes.remove(*id) {
                self.pushes.remember_replaced(by, &held);
            }
        }
    }

    fn on_push_held(&mut self, opening: Opening, replaced: usize) {
        self.acknowledge_push(opening);
        let acknowledged = opening.stream_id.is_some();
        let Some(entry) = self.registry.get_mut(opening.app) else { return };
        entry.pushes += 1;
        let app = AppRef::from(&*entry);
        self.notices.push_back(Notice::PushHeld { app: app.clone(), acknowledged });
        let replaced = std::iter::repeat_n(Notice::PushReplaced { app }, replaced);
        self.notices.extend(replaced);
    }

    /// Moves the pushes of one entry to another. Some of them may replace others now.
    pub(super) fn join_pushes(&mut self, from: AppId, to: AppId) {
        self.pushes.rename(from, to);
        if self.config.push_keep == PushKeep::All {
            return;
        }
        let ids: Vec<PushId> = self.pushes.of(to).map(|(id, _)| id).collect();
        for id in ids {
            let Some(held) = self.pushes.get(id) else { continue };
            let replaced = self.pushes.covered_by(id, held);
            self.drop_replaced(id, &replaced);
            if let Some(app) = self.registry.reference(to) {
                let notice = Notice::PushReplaced { app };
                self.notices.extend(std::iter::repeat_n(notice, replaced.len()));
            }
        }
    }

    /// Returns what stands in for an application's answer in a scrape: its pushes that the scraper has not received. The scrape
    /// claims them. Returns their ids, the latest, and the ones before it.
    pub(super) fn stand_in(
        &mut self,
        scrape: ScrapeId,
        app: AppId,
    ) -> Option<(Vec<PushId>, Answer, Vec<Answer>)> {
        let ids = self.pushes.due(app, self.scrapes.whose(scrape)?);
        let answers = ids.iter().filter_map(|id| self.pushes.get(*id));
        let mut answers: Vec<Answer> = answers.map(|held| held.answer.clone()).collect();
        let latest = answers.pop()?;
        self.claim_pushes(scrape, &ids, false);
        Some((ids, latest, answers))
    }

    /// A scrape delivers pushes, or something later, to its scraper.
    pub(super) fn claim_pushes(&mut self, scrape: ScrapeId, ids: &[PushId], is_later: bool) {
        let Some(whose) = self.scrapes.whose(scrape) else { return };
        for id in ids {
            self.pushes.claim(*id, whose, scrape, is_later);
        }
        self.scrapes.note_claims(scrape, ids);
    }

    /// A scraper has received pushes, or something later.
    pub(super) fn on_pushes_delivered(&mut self, whose: Whose, ids: Vec<PushId>, is_later: bool) {
        if !self.scrapers.is_known(whose.scraper) || !self.scrapers.is_known(whose.group) {
            return;
        }
        #[cfg(planted_faults)]
        if is_planted(Fault::ForgottenDelivery) {
            return;
        }
        for id in ids {
            let app = self.pushes.deliver(id, whose, is_later);
            let app = app.and_then(|app| self.registry.reference(app));
            self.notices.extend(app.map(|app| match is_later {
                true => Notice::PushSuperseded { app },
                false => Notice::PushServed { app },
            }));
        }
    }

    /// Admits a push that has arrived, or returns why it is refused: its application's share or the lack of room. Costs a few
    /// look-ups when a peer floods the proxy, unless pushes give way.
    fn admit_push(&mut self, now: Instant, app: AppId, bytes: usize) -> Result<(), PushError> {
        #[cfg(planted_faults)]
        if is_planted(Fault::PushesFirst) {
            return self.make_room(now, 1, bytes, &[]);
        }
        if !self.registry.get(app).is_some_and(App::is_up) {
            return Err(PushError::NotAdmitted);
        }
        let (opening, _) = self.pushes.opening_share(app);
        let limit = self.config.max_app_opening;
        if opening >= limit {
            return Err(super::PushShare::Opening { limit }.into());
        }
        let (limit, burst) = (self.config.app_push_rate, self.config.app_push_burst);
        let entry = self.registry.get_mut(app);
        if entry.is_some_and(|entry| !entry.pace.take(now, limit, burst)) {
            return Err(super::PushShare::Rate { limit }.into());
        }
        self.make_share(now, app, 0, bytes, &[])?;
        self.make_room(now, 1, bytes, &[])
    }

    pub(super) fn evict_push(&mut self, id: PushId, cause: PushEviction) {
        let Some(held) = self.pushes.remove(id) else { return };
        let app = self.registry.reference(held.app);
        self.notices.extend(app.map(|app| Notice::PushEvicted { app, cause }));
        self.pin(held.app);
    }

    /// Whether an application is part of a scrape of all applications. An entry beyond its grace time exists for its pushes,
    /// and is part of the scrapes that get them.
    pub(super) fn is_target(&self, now: Instant, app: &App, has_pushes: bool) -> bool {
        match app.state {
            super::AppState::Connecting => false,
            super::AppState::Up => true,
            super::AppState::Gone { at, .. } => {
                let is_known = !app.labels.is_empty() || app.last_scrape.is_some();
                has_pushes || is_known && now.saturating_duration_since(at) < self.config.grace
            }
        }
    }

    /// Whether an application is part of a scraper's scrape of all applications.
    pub(super) fn is_target_for(&self, now: Instant, app: &App, whose: Whose) -> bool {
        let has_pushes =
            || self.pushes.opening(app.id).is_some() || !self.pushes.due(app.id, whose).is_empty();
        self.is_target(now, app, app.is_pinned && has_pushes())
    }

    fn acknowledge_push(&mut self, opening: Opening) {
        if let Some(stream_id) = opening.stream_id {
            let command = SessionCommand::AcknowledgePush { stream_id };
            self.commands.push_back((opening.connection, command));
        }
    }

    fn reject_push(&mut self, opening: Opening, error: PushError) {
        if let Some(stream_id) = opening.stream_id {
            // The failed step of opening is for our log alone: a peer that learned it could probe the key with it.
            let message = match &error {
                PushError::Job(_) => {
                    "the push is not stored: it cannot be opened or read".to_owned()
                }
                PushError::NotAdmitted
                | PushError::OverShare(_)
                | PushError::Store { .. }
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
