use crate::observe::telemetry::Telemetry;
use async_channel::{Receiver, Sender, TrySendError};
use event_listener::{Event, EventListener};
use prometheus_rsocket_protocol::collector::{
    AppId, Collector, Form, Job, JobDone, Notice, Progress, RoundId, SessionCommand, SessionEvent,
    TooManyApps, TooManyRounds,
};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The one place where connections, workers, scrapes and timers meet: the [`Collector`] behind a lock, and who is to be woken
/// by what it says.
///
/// The lock is held for table look-ups only, never while something is computed, written, or awaited.
pub(crate) struct Hub {
    state: Mutex<State>,
    /// There are jobs to do.
    jobs: Event,
    /// The next timeout may have changed.
    timer: Event,
    /// A connection has ended.
    gone: Event,
    telemetry: Arc<Telemetry>,
}

struct State {
    collector: Collector,
    inboxes: BTreeMap<AppId, Sender<SessionCommand>>,
    rounds: BTreeMap<RoundId, Arc<Event>>,
    draining: bool,
}

/// What is in a proxy's tables, [now](crate::Watch::tables). All of it is bounded by the configuration, and nothing of it is left when
/// there are no applications, no scrapes and no pushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// Connections of applications, set up or not.
    pub connections: usize,
    /// Connections whose task runs.
    pub inboxes: usize,
    /// Rounds under way.
    pub rounds: usize,
    /// Scrapes that are being answered.
    pub scrapes: usize,
    /// Pushes held.
    pub held_pushes: usize,
    /// Bytes of answers and pushes that wait to be opened or handed out.
    pub pending_bytes: usize,
    /// Whether there are jobs that nobody has taken.
    pub has_jobs: bool,
}

/// Commands that may wait for one connection: two for each round, and the answers to pushes. The room for them is
/// taken at once, for every connection.
const INBOX: usize = 64;

impl Hub {
    /// A hub around a collector.
    pub(crate) fn new(collector: Collector, telemetry: Arc<Telemetry>) -> Self {
        let state =
            State { collector, inboxes: BTreeMap::new(), rounds: BTreeMap::new(), draining: false };
        Self {
            state: Mutex::new(state),
            jobs: Event::new(),
            timer: Event::new(),
            gone: Event::new(),
            telemetry,
        }
    }

    /// A new connection: its application's id, and where its commands come from.
    pub(crate) fn add_app(
        &self,
        now: Instant,
    ) -> Result<(AppId, Receiver<SessionCommand>), TooManyApps> {
        self.with(now, |state| {
            let app = state.collector.add_app()?;
            let (sender, receiver) = async_channel::bounded(INBOX);
            if state.draining {
                // Accepted at the last moment; its inbox is empty still.
                let _ = sender.try_send(goodbye());
            }
            state.inboxes.insert(app, sender);
            Ok((app, receiver))
        })
    }

    /// Hands on what a session says.
    pub(crate) fn handle_session(&self, now: Instant, app: AppId, event: SessionEvent) {
        self.with(now, |state| state.collector.handle_session(now, app, event));
    }

    /// A connection's task is over, however it ended.
    pub(crate) fn remove_app(&self, now: Instant, app: AppId) {
        self.with(now, |state| {
            state.inboxes.remove(&app);
            state.collector.remove_app(now, app);
        });
        self.gone.notify(usize::MAX);
    }

    /// Begins a round; the event is notified whenever [`poll_round`](Self::poll_round) has something new.
    pub(crate) fn start_round(
        &self,
        now: Instant,
        deadline: Instant,
        form: Form,
    ) -> Result<(RoundId, Arc<Event>), TooManyRounds> {
        self.with(now, |state| {
            let round = state.collector.start_round(now, deadline, form)?;
            let news = Arc::new(Event::new());
            state.rounds.insert(round, Arc::clone(&news));
            Ok((round, news))
        })
    }

    /// What a round has to hand out next.
    pub(crate) fn poll_round(&self, now: Instant, round: RoundId) -> Progress {
        self.with(now, |state| state.collector.poll_round(round))
    }

    /// Forgets a round.
    pub(crate) fn end_round(&self, now: Instant, round: RoundId, delivered: bool) {
        self.with(now, |state| {
            state.rounds.remove(&round);
            state.collector.end_round(round, delivered);
        });
    }

    /// The next job, or what to wait for.
    pub(crate) fn next_job(&self, now: Instant) -> Result<Job, EventListener> {
        if let Some(job) = self.with(now, |state| state.collector.poll_job()) {
            return Ok(job);
        }
        // Listen first and look again: a job that came in between has notified nobody yet.
        let listener = self.jobs.listen();
        self.with(now, |state| state.collector.poll_job()).ok_or(listener)
    }

    /// Takes a job's result.
    pub(crate) fn handle_job(&self, now: Instant, done: JobDone) {
        self.with(now, |state| state.collector.handle_job(now, done));
    }

    /// Lets time pass; gives the next timeout, and what says that it may have changed.
    pub(crate) fn handle_timeout(&self, now: Instant) -> (Option<Instant>, EventListener) {
        let listener = self.timer.listen();
        self.with(now, |state| state.collector.handle_timeout(now));
        (self.lock().collector.poll_timeout(), listener)
    }

    /// Ends every connection by an ERROR frame, and takes no more.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        for inbox in state.inboxes.values() {
            // A full inbox belongs to a connection that is stuck; it ends with the process.
            let _ = inbox.try_send(goodbye());
        }
    }

    /// Whether [`drain`](Self::drain) was called.
    pub(crate) fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Resolves once no connection is left.
    pub(crate) async fn drained(&self) {
        loop {
            let listener = self.gone.listen();
            if self.lock().inboxes.is_empty() {
                return;
            }
            listener.await;
        }
    }

    /// Applications that are set up.
    pub(crate) fn connected(&self) -> usize {
        self.lock().collector.connected()
    }

    /// What is in the tables.
    pub(crate) fn tables(&self) -> Tables {
        let state = self.lock();
        Tables {
            connections: state.collector.connections(),
            inboxes: state.inboxes.len(),
            rounds: state.collector.rounds(),
            scrapes: state.rounds.len(),
            held_pushes: state.collector.held_pushes(),
            pending_bytes: state.collector.pending_bytes(),
            has_jobs: state.collector.has_jobs(),
        }
    }

    fn with<T>(&self, now: Instant, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let timeout = state.collector.poll_timeout();
        let result = act(&mut state);
        state.dispatch(now);
        let timer_changed = state.collector.poll_timeout() != timeout;
        let has_jobs = state.collector.has_jobs();
        #[cfg(planted_faults)]
        let has_jobs = has_jobs && !prometheus_rsocket_protocol::planted::loses_wake_up();
        let notices: Vec<Notice> = std::iter::from_fn(|| state.collector.poll_notice()).collect();
        if !notices.is_empty() {
            self.telemetry.active_connections(state.collector.connected());
            self.telemetry.pushes_held(state.collector.held_pushes());
        }
        // Under the lock: whoever has the end of a scrape finds all that happened in it among the proxy's own metrics.
        for notice in &notices {
            crate::observe::notices::count(&self.telemetry, now, notice);
        }
        drop(state);
        if has_jobs {
            self.jobs.notify_additional(1);
        }
        if timer_changed {
            self.timer.notify(usize::MAX);
        }
        notices.iter().for_each(crate::observe::notices::log);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The collector has no step that could be left half done by a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Carries the collector's commands to the connections, and wakes the rounds that have news.
    fn dispatch(&mut self, now: Instant) {
        while let Some((app, command)) = self.collector.poll_command() {
            let Some(inbox) = self.inboxes.get(&app) else { continue };
            if let Err(TrySendError::Full(command)) = inbox.try_send(command) {
                self.on_inbox_full(now, app, command);
            }
        }
        while let Some(round) = self.collector.poll_news() {
            if let Some(news) = self.rounds.get(&round) {
                news.notify(usize::MAX);
            }
        }
    }

    /// A connection that takes no commands has failed its scrape; the rest it does not need to know.
    fn on_inbox_full(&mut self, now: Instant, app: AppId, command: SessionCommand) {
        if let SessionCommand::Scrape { round } = command {
            let error = "its connection is busy".to_owned();
            let event = SessionEvent::NotAsked { round, error };
            self.collector.handle_session(now, app, event);
        }
    }
}

fn goodbye() -> SessionCommand {
    SessionCommand::Close {
        code: ErrorCode::CONNECTION_ERROR,
        message: "the proxy is shutting down".to_owned(),
    }
}
