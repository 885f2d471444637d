//! Requests for metrics: one under way on each connection, shared by all scrapes that wait for it.

use super::app::LastScrape;
use super::content::ContentKeys;
use super::job::{Job, Purpose};
use super::push::PushId;
use super::request::{Request, RequestId};
use super::scrape::{Open, Origin, ScrapeId, Settled};
use super::scrapers::Whose;
use super::{
    Answer, App, AppId, AppRef, AppState, Collector, ConnectionId, JobError, Notice, ScrapeFailure,
    SessionCommand,
};
use crate::Payload;
use crate::envelope::OpenError;
use crate::envelope::v2::{Binding, Expected};
use std::time::{Duration, Instant};

#[cfg(planted_faults)]
use crate::planted::{Fault, is_planted};

/// A slot of a scrape, and the application's current entry: the two differ once entries were merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotOf {
    pub(super) scrape: ScrapeId,
    pub(super) slot: AppId,
    pub(super) app: AppId,
}

impl Collector {
    /// Adds an application to a scrape that is starting.
    pub(super) fn add_target(
        &mut self,
        now: Instant,
        scrape: ScrapeId,
        deadline: Instant,
        id: AppId,
    ) {
        let Some(entry) = self.registry.get(id) else {
            self.scrapes.add_settled(scrape, AppRef::unknown(id), failed(ScrapeFailure::Unknown));
            return;
        };
        let app = AppRef::from(entry);
        match (&entry.state, entry.connection) {
            (AppState::Up, Some(connection)) => {
                self.scrapes.add_asked(scrape, app, connection);
                self.ask(now, deadline, connection, (scrape, id));
            }
            (AppState::Connecting, _) => {
                self.scrapes.add_settled(scrape, app, failed(ScrapeFailure::Connecting));
            }
            (AppState::Up | AppState::Gone { .. }, _) => self.add_gone(scrape, app),
        }
    }

    fn add_gone(&mut self, scrape: ScrapeId, app: AppRef) {
        if let Some(stand_in) = self.stand_in(scrape, app.id) {
            let settled =
                self.pushed(scrape, app.clone(), ScrapeFailure::Gone, Duration::ZERO, stand_in);
            self.scrapes.add_settled(scrape, app, settled);
        } else if let Some(push) = self.pushes.opening(app.id) {
            self.scrapes.add_awaiting(scrape, app, push, ScrapeFailure::Gone);
        } else {
            self.scrapes.add_settled(scrape, app, failed(ScrapeFailure::Gone));
        }
    }

    /// The outcome of an application whose pushes stand in.
    fn pushed(
        &mut self,
        scrape: ScrapeId,
        app: AppRef,
        failure: ScrapeFailure,
        took: Duration,
        (pushes, answer, earlier): (Vec<PushId>, Answer, Vec<Answer>),
    ) -> Settled {
        let len = earlier.iter().fold(answer.text_len, |len, answer| len + answer.text_len);
        if !self.is_look(scrape) {
            let notice = Notice::Scraped { app, result: Ok(len), is_push: true, took };
            self.notices.push_back(notice);
        }
        let (result, instead_of) = (Ok(answer), Some(failure));
        Settled { result, earlier, instead_of, took, origin: Origin::Push, pushes }
    }

    /// Asks an application, or joins the request that is under way.
    fn ask(
        &mut self,
        now: Instant,
        deadline: Instant,
        connection: ConnectionId,
        waiter: (ScrapeId, AppId),
    ) {
        let mut waiters = Vec::new();
        if let Some(request) = self.requests.get_mut(&connection) {
            if request.is_joinable(now) {
                request.waiters.push(waiter);
                request.answered = request.answered.map(|turn| self.jobs.hurry(turn, deadline));
                return;
            }
            // The request missed the deadline of the scrape that caused it. Scrapes that still wait get the answer to the next request.
            waiters = std::mem::take(&mut request.waiters);
            self.give_up_request(connection);
        }
        waiters.push(waiter);
        self.send_request(now, connection, deadline, waiters, false);
    }

    fn send_request(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        deadline: Instant,
        waiters: Vec<(ScrapeId, AppId)>,
        is_repeated: bool,
    ) {
        let id = RequestId(self.number());
        let key = self.key_of_request(connection);
        let known = self.content_keys.get(&connection).and_then(ContentKeys::latest);
        let request = Request {
            id,
            asked: now,
            answered_in: Duration::ZERO,
            deadline,
            answered: None,
            key,
            is_bound: false,
            is_repeated,
            waiters,
        };
        self.requests.insert(connection, request);
        self.commands.push_back((connection, SessionCommand::Scrape { request: id, known }));
    }

    /// Asks once more if an answer was sealed under a content key that is neither known nor attached, or was wrapped under a replaced key of
    /// ours. The application then attaches the content key, wrapped under the current key. Returns whether it asks again.
    fn ask_again(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        id: RequestId,
        error: &JobError,
    ) -> bool {
        let is_lost = matches!(error, JobError::Open(OpenError::UnknownKey | OpenError::Unwrap(_)));
        let is_first = self
            .requests
            .get(&connection)
            .is_some_and(|request| request.id == id && request.is_bound && !request.is_repeated);
        if !is_lost || !is_first {
            return false;
        }
        self.content_keys.remove(&connection);
        let Some(Request { deadline, waiters, .. }) = self.requests.remove(&connection) else {
            return false;
        };
        self.send_request(now, connection, deadline, waiters, true);
        true
    }

    /// A scrape no longer waits for the request on a connection.
    pub(super) fn leave_request(&mut self, connection: ConnectionId, scrape: ScrapeId) {
        let Some(request) = self.requests.get_mut(&connection) else { return };
        request.remove_waiter(scrape);
        if request.waiters.is_empty() {
            self.give_up_request(connection);
        }
    }

    /// No scrape wants the answer to a request any more.
    fn give_up_request(&mut self, connection: ConnectionId) {
        let Some(Request { id, answered: None, .. }) = self.remove_request(connection) else {
            return;
        };
        self.commands.push_back((connection, SessionCommand::Cancel { request: id }));
    }

    /// Removes a request and the job for its answer, if that has not started. Closes the connection if it is to leave after this request.
    pub(super) fn remove_request(&mut self, connection: ConnectionId) -> Option<Request> {
        let request = self.requests.remove(&connection)?;
        if let Some(turn) = request.answered {
            self.jobs.forget_answer(turn);
        }
        if let Some(message) = self.leaving.remove(&connection) {
            self.commands.push_back((connection, super::goodbye(message)));
        }
        Some(request)
    }

    pub(super) fn on_answered(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        id: RequestId,
        (payload, binding): (Option<Payload>, Option<Binding>),
    ) {
        let is_full = payload.as_ref().is_some_and(|payload| {
            self.answer_bytes() + payload.encoded_len() > self.config.max_pending_bytes
        });
        let app = self.registry.app_of(connection).and_then(|app| self.registry.get(app));
        let labels = app.map(App::injected).unwrap_or_default();
        let Some(request) = self.requests.get_mut(&connection) else { return };
        if request.id != id || request.answered.is_some() {
            return;
        }
        self.rekeying.on_answered(connection, request.key);
        request.answered_in = now.saturating_duration_since(request.asked);
        let failure = match payload {
            None => ScrapeFailure::Empty,
            Some(_) if is_full => ScrapeFailure::Overloaded,
            Some(payload) => {
                let deadlines = request.waiters.iter().map(|(scrape, _)| *scrape);
                let deadlines = deadlines.filter_map(|scrape| self.scrapes.deadline(scrape));
                let deadline = deadlines.min().unwrap_or(request.deadline);
                let purpose = Purpose::Answer { connection, request: id };
                request.is_bound = binding.is_some();
                let expected = self.content_keys.get(&connection).map(ContentKeys::all);
                let known = expected.unwrap_or_default();
                let expected = binding.map(|binding| Expected { binding, is_push: false, known });
                let job = Job { purpose, payload, expected, labels };
                request.answered = Some(self.jobs.add_answer(deadline, job));
                return;
            }
        };
        self.on_request_failed(now, connection, id, failure);
    }

    pub(super) fn on_request_failed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        id: RequestId,
        failure: ScrapeFailure,
    ) {
        if let Some(request) = self.take_request(connection, id) {
            self.fail_waiters(now, connection, &request.waiters, &failure);
        }
    }

    /// Bytes of answers that wait to be opened or handed out.
    pub(super) fn answer_bytes(&self) -> usize {
        self.jobs.answer_bytes() + self.scrapes.held_bytes()
    }

    /// An answer was opened and read, or has failed.
    pub(super) fn on_opened(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        id: RequestId,
        result: Result<Answer, JobError>,
        faulty_line: Option<String>,
    ) {
        if result.as_ref().is_err_and(|error| self.ask_again(now, connection, id, error)) {
            return;
        }
        let Some(request) = self.take_request(connection, id) else { return };
        let Some(app) = self.registry.app_of(connection) else { return };
        if let Some(entry) = self.registry.get_mut(app) {
            let facts = result.as_ref().map(|answer| &*answer.facts);
            entry.reports.on_text(now, facts, faulty_line);
        }
        match result {
            Ok(answer) => self.on_read(now, app, &request, &answer),
            Err(error) => {
                self.fail_waiters(now, connection, &request.waiters, &error.into());
            }
        }
        if let Some(app) = self.registry.app_of(connection) {
            self.report(app);
        }
    }

    fn on_read(&mut self, now: Instant, app: AppId, request: &Request, answer: &Answer) {
        let identified = self.learn_identity(app, &answer.facts.identity);
        let owner = identified.as_ref().map_or(app, |app| app.id);
        let superseded = self.pushes.before(owner, request.id.0);
        for (scrape, slot) in &request.waiters {
            let slot = match &identified {
                Some(app) => self.scrapes.identify(*scrape, *slot, app),
                None => *slot,
            };
            let Some((app, took)) = self.scrapes.open_slot(now, *scrape, slot) else { continue };
            self.claim_pushes(*scrape, &superseded, true);
            let settled = Settled {
                result: Ok(answer.clone()),
                earlier: Vec::new(),
                instead_of: None,
                took,
                origin: Origin::Answer(request.id),
                pushes: superseded.clone(),
            };
            self.scrapes.settle(*scrape, slot, settled);
            if !self.is_look(*scrape) {
                self.note_scraped(now, owner, app, took, Ok((answer, request.answered_in)));
            }
        }
    }

    pub(super) fn fail_waiters(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        waiters: &[(ScrapeId, AppId)],
        failure: &ScrapeFailure,
    ) {
        let app = self.registry.app_of(connection);
        for &(scrape, slot) in waiters {
            let slot = SlotOf { scrape, slot, app: app.unwrap_or(slot) };
            self.fail_slot(now, slot, failure.clone(), true);
        }
    }

    /// An application will not answer a scrape. A push of it stands in, or one that is being opened if `may_wait`.
    pub(super) fn fail_slot(
        &mut self,
        now: Instant,
        SlotOf { scrape, slot, app: owner }: SlotOf,
        failure: ScrapeFailure,
        may_wait: bool,
    ) {
        let Some((app, took)) = self.scrapes.open_slot(now, scrape, slot) else { return };
        // Entries that were merged during the scrape share their pushes, which are in the scrape once.
        if let Some(stand_in) = self.stand_in(scrape, owner) {
            let settled = self.pushed(scrape, app, failure.clone(), took, stand_in);
            self.scrapes.settle(scrape, slot, settled);
            if !self.is_look(scrape) {
                self.note_failing(now, owner, took, failure);
            }
        } else if let Some(push) = self.pushes.opening(owner).filter(|_| may_wait) {
            self.scrapes.await_push(scrape, slot, push, failure);
        } else {
            self.scrapes.settle(scrape, slot, Settled { took, ..failed(failure.clone()) });
            if failure != ScrapeFailure::Gone && !self.is_look(scrape) {
                self.note_scraped(now, owner, app, took, Err(failure));
            }
        }
    }

    pub(super) fn on_deadlines(&mut self, now: Instant) {
        let open = self.scrapes.expire(now);
        #[cfg(planted_faults)]
        if is_planted(Fault::IgnoredDeadline) {
            return;
        }
        for (scrape, slot, state) in open {
            let mut app = slot;
            let failure = match state {
                Open::AwaitingPush(failure) => failure,
                Open::Asked(connection) => {
                    app = self.registry.app_of(connection).unwrap_or(slot);
                    let request = self.requests.get(&connection);
                    let is_answered = request.is_some_and(|request| request.answered.is_some());
                    self.leave_request(connection, scrape);
                    match is_answered {
                        true => ScrapeFailure::Overloaded,
                        false => ScrapeFailure::TimedOut,
                    }
                }
            };
            self.fail_slot(now, SlotOf { scrape, slot, app }, failure, false);
        }
    }

    /// Whether this is a look, not a scrape.
    fn is_look(&self, scrape: ScrapeId) -> bool {
        self.scrapes.whose(scrape) == Some(Whose::NOBODY)
    }

    /// Counts the result of scraping an application, and records it as the entry's last scrape.
    fn note_scraped(
        &mut self,
        now: Instant,
        id: AppId,
        app: AppRef,
        took: Duration,
        result: Result<(&Answer, Duration), ScrapeFailure>,
    ) {
        let counted = result.as_ref().map(|(answer, _)| answer.text_len);
        let counted = counted.map_err(ScrapeFailure::clone);
        self.notices.push_back(Notice::Scraped { app, result: counted, is_push: false, took });
        let (answer, took) = match result {
            Ok(served) => served,
            Err(failure) => return self.note_failing(now, id, took, failure),
        };
        let Some(entry) = self.registry.get_mut(id) else { return };
        let (bytes, samples) = (answer.text_len, answer.facts.samples);
        entry.on_served(LastScrape { at: now, took, bytes, samples, error: None });
        if entry.failing.take().is_some() {
            let app = AppRef::from(&*entry);
            self.notices.push_back(Notice::Recovered { app });
        }
    }

    /// Records a failure as the entry's last scrape, and reports a new reason once.
    fn note_failing(&mut self, now: Instant, id: AppId, took: Duration, failure: ScrapeFailure) {
        let Some(entry) = self.registry.get_mut(id).filter(|_| failure != ScrapeFailure::Gone)
        else {
            return;
        };
        entry.on_failed(now, took, failure.clone());
        // The end of a connection has a notice of its own.
        if failure != ScrapeFailure::Closed && entry.failing != Some(failure.reason()) {
            entry.failing = Some(failure.reason());
            let app = AppRef::from(&*entry);
            self.notices.push_back(Notice::ScrapeFailing { app, failure });
        }
    }

    fn take_request(&mut self, connection: ConnectionId, id: RequestId) -> Option<Request> {
        let is_current = self.requests.get(&connection).is_some_and(|request| request.id == id);
        if is_current { self.remove_request(connection) } else { None }
    }
}

fn failed(failure: ScrapeFailure) -> Settled {
    Settled {
        result: Err(failure),
        earlier: Vec::new(),
        instead_of: None,
        took: Duration::ZERO,
        origin: Origin::Failure,
        pushes: Vec::new(),
    }
}
