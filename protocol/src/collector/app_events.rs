//! Applications connect, leave, and get reports on their metrics.

use super::admitting::Grant;
use super::identity::IdentitySource;
use super::registry::Merged;
use super::{
    AppId, AppRef, Collector, ConnectionId, Notice, ScrapeFailure, SessionCommand, TurnedAway,
};
use crate::Labels;
use crate::envelope::PLAINTEXT;
use crate::hello::{Hello, HelloError};
use crate::rsocket::connection::CloseReason;
use crate::rsocket::frame::ErrorCode;
use crate::token::{Token, TokenError};
use std::sync::Arc;
use std::time::Instant;

impl Collector {
    pub(super) fn on_connected(
        &mut self,
        connection: ConnectionId,
        hello: Result<Hello, HelloError>,
        token: Result<Option<Token>, TokenError>,
    ) {
        let (hello, error) = match hello {
            Ok(hello) => (hello, None),
            Err(error) => (Hello::default(), Some(error)),
        };
        if self.config.min_envelope >= 2 && !hello.seals_v2 {
            return self.turn_away(connection, TurnedAway::Envelope);
        }
        match self.config.admission {
            true => self.ask_for_admission(connection, hello, error, token),
            false => self.set_up(connection, hello, error, None),
        }
    }

    /// Sets up an admitted application.
    pub(super) fn set_up(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        error: Option<HelloError>,
        grant: Option<Arc<Grant>>,
    ) {
        let offers_v2 = hello.seals_v2 && self.config.key != PLAINTEXT;
        let Some(merged) = self.registry.set_up(connection, hello, grant) else { return };
        let key = self.config.key.clone();
        self.commands.push_back((connection, SessionCommand::Key { key, offers_v2 }));
        self.on_merged(merged);
        let Some(entry) = self.registry.get(merged.kept) else { return };
        let app = AppRef::from(entry);
        let (came_back, is_duplicate) = (merged.absorbed.is_some(), entry.is_duplicate);
        if let Some(error) = error {
            self.notices.push_back(Notice::HelloIgnored { app: app.clone(), error });
        }
        self.notices.push_back(Notice::Connected { app, came_back, is_duplicate });
    }

    /// Closes a connection that is not admitted.
    pub(super) fn turn_away(&mut self, connection: ConnectionId, reason: TurnedAway) {
        let code = ErrorCode::REJECTED_SETUP;
        let command = SessionCommand::Close { code, message: reason.to_string() };
        self.commands.push_back((connection, command));
        let app = self.registry.app_of(connection).and_then(|app| self.registry.reference(app));
        self.notices.extend(app.map(|app| Notice::TurnedAway { app, reason }));
    }

    pub(super) fn on_gone(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        reason: Option<CloseReason>,
    ) {
        let Some(id) = self.registry.app_of(connection) else { return };
        self.leaving.remove(&connection);
        self.content_keys.remove(&connection);
        self.admissions.remove(connection);
        self.rekeying.on_gone(connection);
        // Fails the scrapes that its session never saw; it has answered the others. Its pushes stand in, so this comes before
        // leaving the registry.
        if let Some(request) = self.remove_request(connection) {
            let failure = ScrapeFailure::Closed;
            self.fail_waiters(now, connection, &request.waiters, &failure);
        }
        let Some(entry) = self.registry.get(id) else { return };
        let (app, was_connected) = (AppRef::from(entry), entry.is_up());
        let notice = Notice::Gone { app, reason: reason.clone(), was_connected };
        self.notices.push_back(notice);
        if let Some(merged) = self.registry.leave(now, connection, reason) {
            self.on_merged(merged);
            self.pin(merged.kept);
        }
        self.registry.trim(self.config.max_gone);
    }

    /// Gives an application the identity that was found in its text. Returns the entry that is left, if the identity is new.
    pub(super) fn learn_identity(&mut self, id: AppId, labels: &Labels) -> Option<AppRef> {
        let is_known = self.registry.get(id).is_none_or(|app| !app.labels.is_empty());
        if is_known || labels.is_empty() || self.admissions.grants_are_claimed_by(labels, None) {
            return None;
        }
        let merged = self.registry.identify(id, labels.clone(), IdentitySource::Text);
        self.on_merged(merged);
        let entry = self.registry.get(merged.kept)?;
        let app = AppRef::from(entry);
        let (came_back, is_duplicate) = (merged.absorbed.is_some(), entry.is_duplicate);
        self.notices.push_back(Notice::Identified { app: app.clone(), came_back, is_duplicate });
        Some(app)
    }

    /// Reports the state of an application's metrics to it and to the log, if that has changed.
    pub(super) fn report(&mut self, id: AppId) {
        let Some(entry) = self.registry.get_mut(id) else { return };
        let Some(connection) = entry.connection else { return };
        let Some(report) = entry.reports.next() else { return };
        if entry.hello.reads_reports {
            self.commands.push_back((connection, SessionCommand::Report(report.clone())));
        }
        let app = AppRef::from(&*entry);
        self.notices.push_back(Notice::Reported { app, report });
    }

    /// Keeps an entry as long as it has pushes. An entry that no longer has any may be forgotten here.
    pub(super) fn pin(&mut self, id: AppId) {
        self.registry.set_pinned(id, self.pushes.is_held(id), self.pushes.has_any(id));
        self.registry.trim(self.config.max_gone);
    }

    /// Moves pushes to the entry that their application has now.
    fn on_merged(&mut self, merged: Merged) {
        let Some(absorbed) = merged.absorbed else { return };
        self.join_pushes(absorbed, merged.kept);
        self.pin(merged.kept);
    }
}
