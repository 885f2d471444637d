//! The proxy's side, without IO: who is connected, scrape rounds, and the last metrics of applications that are gone.
//!
//! ```text
//!   transport ── Session ── SessionEvent ──▶ Collector ── Progress ──▶ the scraper's answer
//!                    ▲                        │  │  ▲
//!                    └──── SessionCommand ────┘  ▼  │ JobDone
//!                                              Job (run elsewhere: RSA, AES, Snappy, checks)
//! ```
//!
//! A scrape is a *round*: [`Collector::start_round`] has every connected application asked at once. What an application answers
//! becomes a [`Job`], whose result is kept compressed until [`Collector::poll_round`] hands it out, in the order of the
//! applications' ids. At the round's deadline whatever is missing is given up; the rest is the answer.
//!
//! A *push* is opened and checked like an answer, then held, and only then acknowledged. It is served by the next round that
//! finds its application gone or failing, and forgotten once that round was delivered, or when its time is over.

mod config;
mod event;
mod job;
mod push;
mod round;
mod session;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use event::{Notice, PushError, ScrapeFailure, TooManyApps, TooManyRounds};
pub use job::{Form, Job, JobDone, JobError, JobTicket, Section, Tools};
pub use round::{Progress, Summary};
pub use session::{Session, SessionCommand, SessionEvent};

use crate::Payload;
use crate::rsocket::connection::{CloseReason, StreamFailure};
use crate::rsocket::frame::StreamId;
use bytes::Bytes;
use job::{Done, Task};
use push::{PushId, Pushes};
use round::{Round, Slot};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Instant;

#[cfg(planted_faults)]
use crate::planted::{Fault, is_planted};

/// An application, by its connection: ids are given out in the order of connecting, and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(u64);

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A scrape round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoundId(u64);

/// All applications of one proxy. See the [module](self).
#[derive(Debug)]
pub struct Collector {
    config: Config,
    /// Whether the application is set up.
    apps: BTreeMap<AppId, bool>,
    connected: usize,
    rounds: BTreeMap<RoundId, Round>,
    pushes: Pushes,
    jobs: VecDeque<Job>,
    commands: VecDeque<(AppId, SessionCommand)>,
    notices: VecDeque<Notice>,
    /// Rounds whose [`poll_round`](Self::poll_round) has something new to say.
    news: BTreeSet<RoundId>,
    pending_bytes: usize,
    next_app: u64,
    next_round: u64,
}

impl Collector {
    /// A collector without applications.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            apps: BTreeMap::new(),
            connected: 0,
            rounds: BTreeMap::new(),
            pushes: Pushes::default(),
            jobs: VecDeque::new(),
            commands: VecDeque::new(),
            notices: VecDeque::new(),
            news: BTreeSet::new(),
            pending_bytes: 0,
            next_app: 1,
            next_round: 1,
        }
    }

    /// A transport was accepted: gives its application an id, for a [`Session`].
    pub fn add_app(&mut self) -> Result<AppId, TooManyApps> {
        let limit = self.config.max_apps;
        if self.apps.len() >= limit {
            return Err(TooManyApps { limit });
        }
        let app = AppId(self.next_app);
        self.next_app += 1;
        self.apps.insert(app, false);
        Ok(app)
    }

    /// An application's session is gone without having said so. Does nothing if it has.
    pub fn remove_app(&mut self, now: Instant, app: AppId) {
        self.on_gone(now, app, None);
    }

    /// Takes what an application's session says.
    pub fn handle_session(&mut self, now: Instant, app: AppId, event: SessionEvent) {
        match event {
            SessionEvent::Answered { round, payload } => {
                self.on_answered(now, app, round, payload);
            }
            SessionEvent::Closed { reason } => self.on_gone(now, app, Some(reason)),
            SessionEvent::Connected { .. } => {
                if let Some(connected) = self.apps.get_mut(&app)
                    && !std::mem::replace(connected, true)
                {
                    self.connected += 1;
                    self.notices.push_back(Notice::Connected { app });
                }
            }
            SessionEvent::Failed { round, error: StreamFailure::Closed } => {
                self.on_failed(now, app, round, ScrapeFailure::Closed);
            }
            SessionEvent::Failed { round, error } => {
                self.on_failed(now, app, round, ScrapeFailure::Refused(error));
            }
            SessionEvent::NotAsked { round, error } => {
                self.on_failed(now, app, round, ScrapeFailure::NotAsked(error));
            }
            SessionEvent::Pushed { stream_id, payload } => {
                self.on_pushed(app, stream_id, payload);
            }
            SessionEvent::StreamViolation { violation } => {
                self.notices.push_back(Notice::Violation { app, violation });
            }
        }
    }

    /// Begins a scrape: all connected applications are asked, and pushes of those that are gone are fetched. Whatever is
    /// missing at `deadline` is given up.
    pub fn start_round(
        &mut self,
        now: Instant,
        deadline: Instant,
        form: Form,
    ) -> Result<RoundId, TooManyRounds> {
        let limit = self.config.max_rounds;
        if self.rounds.len() >= limit {
            return Err(TooManyRounds { limit });
        }
        let id = RoundId(self.next_round);
        self.next_round += 1;
        let mut round = Round::new(now, deadline, form);
        for (app, _) in self.apps.iter().filter(|(_, connected)| **connected) {
            round.insert(*app, Slot::Asked);
            self.commands.push_back((*app, SessionCommand::Scrape { round: id }));
        }
        let gone: Vec<AppId> =
            self.pushes.apps().filter(|app| !round.slots.contains_key(app)).collect();
        for app in gone {
            round.insert(app, Slot::Asked);
            if let Some((push, block)) = self.pushes.get(app) {
                fetch_push(&mut self.jobs, &mut round, id, app, push, block);
            }
        }
        self.rounds.insert(id, round);
        self.note_news(id);
        Ok(id)
    }

    /// What a round has to hand out next. Of a round that is over, [`end_round`](Self::end_round) is to follow.
    pub fn poll_round(&mut self, id: RoundId) -> Progress {
        let Some(round) = self.rounds.get_mut(&id) else {
            return Progress::Finished(Summary::default());
        };
        let progress = round.next();
        if let Progress::Section(section) = &progress {
            self.pending_bytes -= section.bytes.len();
        }
        progress
    }

    /// Forgets a round. If all that it handed out reached the scraper, its pushes are forgotten as well; otherwise the next
    /// round serves them again. Applications that are still being waited for are told not to bother.
    pub fn end_round(&mut self, id: RoundId, delivered: bool) {
        let Some(round) = self.rounds.remove(&id) else { return };
        self.news.remove(&id);
        for (app, slot) in &round.slots {
            match slot {
                Slot::Asked => {
                    self.commands.push_back((*app, SessionCommand::Cancel { round: id }))
                }
                Slot::Ready(section, _) => self.pending_bytes -= section.bytes.len(),
                Slot::AwaitingPush | Slot::Failed | Slot::Opening => {}
            }
        }
        if delivered {
            for (app, push) in round.pushes {
                if self.pushes.remove_served(app, push) {
                    self.notices.push_back(Notice::PushServed { app });
                }
            }
        }
    }

    /// Takes a job's result.
    pub fn handle_job(&mut self, now: Instant, done: JobDone) {
        self.pending_bytes -= done.held;
        match done.done {
            Done::Section { round, push, result } => {
                self.on_section(now, done.app, round, push, result);
            }
            Done::Push { stream_id, result } => {
                self.on_push_opened(now, done.app, stream_id, result);
            }
        }
    }

    /// Lets time pass: gives up what rounds at their deadline wait for, and forgets pushes that are too old.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<RoundId> = self
            .rounds
            .iter()
            .filter(|(_, round)| !round.is_over && round.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.on_deadline(now, id);
        }
        while let Some(app) = self.pushes.pop_expired(now) {
            self.notices.push_back(Notice::PushExpired { app });
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines =
            self.rounds.values().filter(|round| !round.is_over).map(|round| round.deadline);
        deadlines.chain(self.pushes.next_expiry()).min()
    }

    /// The next piece of CPU-heavy work. As many may be under way at once as there are cores to run them.
    pub fn poll_job(&mut self) -> Option<Job> {
        while let Some(job) = self.jobs.pop_front() {
            if self.is_wanted(&job) {
                return Some(job);
            }
            self.pending_bytes -= job.held();
        }
        None
    }

    /// The next command for a session. A session that is gone needs none.
    pub fn poll_command(&mut self) -> Option<(AppId, SessionCommand)> {
        self.commands.pop_front()
    }

    /// The next thing to log or count.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// The next round whose [`poll_round`](Self::poll_round) has something new to say.
    pub fn poll_news(&mut self) -> Option<RoundId> {
        self.news.pop_first()
    }

    /// Whether [`poll_job`](Self::poll_job) may have work.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Applications that are set up.
    pub fn connected(&self) -> usize {
        self.connected
    }

    /// Connections, set up or not.
    pub fn connections(&self) -> usize {
        self.apps.len()
    }

    /// Pushes held.
    pub fn held_pushes(&self) -> usize {
        self.pushes.held()
    }

    /// Rounds under way.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Bytes of answers and pushes that wait to be opened or handed out.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    fn on_answered(&mut self, now: Instant, app: AppId, id: RoundId, payload: Option<Payload>) {
        let Some(round) = self.rounds.get_mut(&id) else { return };
        let Some(slot @ Slot::Asked) = round.slots.get_mut(&app) else { return };
        let Some(payload) = payload else {
            self.on_failed(now, app, id, ScrapeFailure::Empty);
            return;
        };
        if self.pending_bytes + payload.encoded_len() > self.config.max_pending_bytes {
            self.on_failed(now, app, id, ScrapeFailure::Overloaded);
            return;
        }
        *slot = Slot::Opening;
        let job = Job { app, task: Task::Answer { round: id, payload, form: round.form } };
        self.pending_bytes += job.held();
        self.jobs.push_back(job);
    }

    /// An application will not answer. What it pushed, or is just pushing, stands in.
    fn on_failed(&mut self, now: Instant, app: AppId, id: RoundId, failure: ScrapeFailure) {
        let Some(round) = self.rounds.get_mut(&id) else { return };
        let Some(slot @ Slot::Asked) = round.slots.get_mut(&app) else { return };
        if let Some((push, block)) = self.pushes.get(app) {
            fetch_push(&mut self.jobs, round, id, app, push, block);
        } else if self.pushes.is_opening(app) {
            *slot = Slot::AwaitingPush;
        } else {
            *slot = Slot::Failed;
            let took = now.saturating_duration_since(round.started);
            self.notices.push_back(Notice::Scraped { app, result: Err(failure), took });
        }
        self.note_news(id);
    }

    fn on_pushed(&mut self, app: AppId, stream_id: Option<StreamId>, payload: Payload) {
        let (limit, byte_limit) = (self.config.max_pushes, self.config.max_push_bytes);
        let error = if self.pushes.len() >= limit {
            PushError::TooMany { limit }
        } else if self.pushes.bytes() + payload.encoded_len() > byte_limit
            || self.pending_bytes + payload.encoded_len() > self.config.max_pending_bytes
        {
            PushError::TooLarge { limit: byte_limit }
        } else {
            let job = Job { app, task: Task::Push { stream_id, payload } };
            self.pending_bytes += job.held();
            self.pushes.on_opening(app);
            self.jobs.push_back(job);
            #[cfg(planted_faults)]
            if is_planted(Fault::EarlyAcknowledgement) {
                self.acknowledge_push(app, stream_id);
            }
            return;
        };
        self.reject_push(app, stream_id, error);
    }

    fn on_push_opened(
        &mut self,
        now: Instant,
        app: AppId,
        stream_id: Option<StreamId>,
        result: Result<Bytes, JobError>,
    ) {
        self.pushes.on_opened(app);
        match result {
            Ok(block) => {
                self.pushes.insert(app, block, now + self.config.push_ttl);
                self.acknowledge_push(app, stream_id);
                let acknowledged = stream_id.is_some();
                self.notices.push_back(Notice::PushHeld { app, acknowledged });
            }
            Err(error) => self.reject_push(app, stream_id, error.into()),
        }
        let waiting: Vec<RoundId> = self
            .rounds
            .iter()
            .filter(|(_, round)| matches!(round.slots.get(&app), Some(Slot::AwaitingPush)))
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            if let Some(slot) = self.rounds.get_mut(&id).and_then(|round| round.slots.get_mut(&app))
            {
                *slot = Slot::Asked;
                self.on_failed(now, app, id, ScrapeFailure::Closed);
            }
        }
    }

    fn acknowledge_push(&mut self, app: AppId, stream_id: Option<StreamId>) {
        if let Some(stream_id) = stream_id {
            self.commands.push_back((app, SessionCommand::AcknowledgePush { stream_id }));
        }
    }

    fn reject_push(&mut self, app: AppId, stream_id: Option<StreamId>, error: PushError) {
        if let Some(stream_id) = stream_id {
            // Which step of opening failed is for our log alone: a peer that learned it could probe the key with it.
            let message = match &error {
                PushError::Job(_) => {
                    "the push is not stored: it cannot be opened or read".to_owned()
                }
                PushError::TooLarge { .. } | PushError::TooMany { .. } => {
                    format!("the push is not stored: {error}")
                }
            };
            self.commands.push_back((app, SessionCommand::RejectPush { stream_id, message }));
        }
        let acknowledged = stream_id.is_some();
        self.notices.push_back(Notice::PushRejected { app, acknowledged, error });
    }

    fn on_section(
        &mut self,
        now: Instant,
        app: AppId,
        id: RoundId,
        push: Option<PushId>,
        result: Result<Section, JobError>,
    ) {
        let Some(round) = self.rounds.get_mut(&id) else { return };
        let Some(slot @ Slot::Opening) = round.slots.get_mut(&app) else { return };
        let took = now.saturating_duration_since(round.started);
        let result = match result {
            Ok(section) => {
                let text_len = section.text_len;
                self.pending_bytes += section.bytes.len();
                *slot = Slot::Ready(section, push);
                Ok(text_len)
            }
            Err(error) => {
                *slot = Slot::Failed;
                Err(error.into())
            }
        };
        self.notices.push_back(Notice::Scraped { app, result, took });
        self.note_news(id);
    }

    fn on_deadline(&mut self, now: Instant, id: RoundId) {
        let Some(round) = self.rounds.get_mut(&id) else { return };
        round.is_over = true;
        #[cfg(planted_faults)]
        if is_planted(Fault::IgnoredDeadline) {
            return;
        }
        let took = now.saturating_duration_since(round.started);
        for (app, is_asked, failure) in round.unfinished() {
            round.slots.insert(app, Slot::Failed);
            if is_asked {
                self.commands.push_back((app, SessionCommand::Cancel { round: id }));
            }
            self.notices.push_back(Notice::Scraped { app, result: Err(failure), took });
        }
        self.note_news(id);
    }

    fn on_gone(&mut self, now: Instant, app: AppId, reason: Option<CloseReason>) {
        let Some(was_connected) = self.apps.remove(&app) else { return };
        self.connected -= usize::from(was_connected);
        // Scrapes that its session never heard of; it has answered for the others.
        let asked: Vec<RoundId> = self.rounds.keys().copied().collect();
        for id in asked {
            self.on_failed(now, app, id, ScrapeFailure::Closed);
        }
        self.notices.push_back(Notice::Gone { app, reason, was_connected });
    }

    fn is_wanted(&self, job: &Job) -> bool {
        match &job.task {
            Task::Push { .. } => true,
            Task::Answer { round, .. } | Task::Held { round, .. } => self
                .rounds
                .get(round)
                .is_some_and(|round| matches!(round.slots.get(&job.app), Some(Slot::Opening))),
        }
    }

    fn note_news(&mut self, id: RoundId) {
        if self.rounds.get(&id).is_some_and(Round::has_news) {
            self.news.insert(id);
        }
    }
}

/// Has a held push made ready for a round.
fn fetch_push(
    jobs: &mut VecDeque<Job>,
    round: &mut Round,
    id: RoundId,
    app: AppId,
    push: PushId,
    block: Bytes,
) {
    round.slots.insert(app, Slot::Opening);
    jobs.push_back(Job { app, task: Task::Held { round: id, push, block, form: round.form } });
}
