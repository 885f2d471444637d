mod keys;
mod leaving;
mod looking;

use crate::observe::census::Census;
use crate::observe::notices;
use crate::observe::probes::ProbeLog;
use crate::observe::telemetry::{ConnectionErrorCause, Telemetry};
use crate::service::inbox::Inbox;
use crate::service::memory::{ConnectionMemory, Shares};
use crate::service::tables::Tables;
use crate::service::turns::Turns;
use crate::service::workers::NoJob;
use crate::status::History;
use event_listener::{Event, EventListener};
use prometheus_rsocket_protocol::collector::{
    self, AdmissionRequest, Answer, App, AppId, Collector, ConnectionId, Grant, GrantId, Job,
    JobDone, Notice, Peer, Progress, PushError, RestoredPush, ScrapeId, Scraper, SessionCommand,
    SessionEvent, StoreCommand, StoreId, Targets, TooManyApps, TooManyScrapes, TurnedAway,
};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The one place where connections, workers, scrapes and timers meet: the [`Collector`] behind a lock, and the wake-ups that its output causes.
///
/// The lock is held only for changes of tables. Counting, waking and logging follow in this order, without the lock, and before the caller that made
/// the change continues.
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Held while notices are counted. It is taken before the state is unlocked, so that counts come in the order of changes, and whoever takes it
    /// next finds all earlier changes counted.
    counting: Mutex<()>,
    /// Notified when there are jobs.
    jobs: Event,
    /// Notified when something is to be done on the disk.
    stores: Event,
    /// Notified when there are applications to admit.
    admissions: Event,
    /// Notified when the next timeout may have changed.
    timer: Event,
    /// Notified when a connection has ended.
    gone: Event,
    telemetry: Arc<Telemetry>,
    probes: ProbeLog,
    memory: Arc<ConnectionMemory>,
    history: History,
}

struct State {
    collector: Collector,
    inboxes: BTreeMap<ConnectionId, Arc<Inbox>>,
    scrapes: BTreeMap<ScrapeId, Arc<Event>>,
    /// Bytes of answers that may wait to be opened before connections are read more slowly.
    max_backlog: usize,
    /// Connections that have something to hand on once fewer bytes wait to be opened.
    waiting: Turns,
    /// Connections that have an answer to hand on once there is room for answers.
    waiting_with_answers: Turns,
    /// Whether the proxy is about to stop, and not ready.
    leaving: bool,
    draining: bool,
}

/// What is to be done after the lock is released.
#[derive(Default)]
struct Effects {
    notices: Vec<Notice>,
    tasks: Vec<Waker>,
    news: Vec<Arc<Event>>,
    has_jobs: bool,
    has_stores: bool,
    has_admissions: bool,
    timer_changed: bool,
}

impl Hub {
    /// Returns a hub around a collector.
    pub(crate) fn new(collector: Collector, telemetry: Arc<Telemetry>, shares: &Shares) -> Self {
        // Only a part of the answers' share, so that opened answers find room.
        let max_backlog = shares.answers / 3;
        let (inboxes, scrapes, leaving, draining) = Default::default();
        let (waiting, waiting_with_answers) = Default::default();
        Self {
            state: Mutex::new(State {
                collector,
                inboxes,
                scrapes,
                max_backlog,
                waiting,
                waiting_with_answers,
                leaving,
                draining,
            }),
            counting: Mutex::new(()),
            jobs: Event::new(),
            stores: Event::new(),
            admissions: Event::new(),
            timer: Event::new(),
            gone: Event::new(),
            probes: ProbeLog::new(&telemetry),
            telemetry,
            memory: ConnectionMemory::new(shares.connections),
            history: History::default(),
        }
    }

    /// A transport was accepted. Returns the connection's id, and the inbox for its commands.
    pub(crate) fn accept(
        &self,
        now: Instant,
        peer: Peer,
    ) -> Result<(ConnectionId, Arc<Inbox>), TooManyApps> {
        self.with(now, |state| {
            let connection = state.collector.accept(now, peer)?;
            let inbox = Arc::new(Inbox::default());
            if state.draining {
                // Accepted at the last moment. No task waits at its inbox yet.
                inbox.put(goodbye());
            }
            state.inboxes.insert(connection, Arc::clone(&inbox));
            Ok((connection, inbox))
        })
    }

    /// Passes a session's events to the collector.
    pub(crate) fn handle_session(
        &self,
        now: Instant,
        connection: ConnectionId,
        event: SessionEvent,
    ) {
        self.with(now, |state| state.collector.handle_session(now, connection, event));
    }

    /// The task of a connection has ended, for whatever reason.
    pub(crate) fn remove(&self, now: Instant, connection: ConnectionId) {
        self.with(now, |state| {
            state.inboxes.remove(&connection);
            state.stop_waiting(connection);
            state.collector.remove(now, connection);
        });
        self.gone.notify(usize::MAX);
    }

    /// Begins a scrape. The event is notified whenever [`poll_scrape`](Self::poll_scrape) has something new.
    pub(crate) fn start_scrape(
        &self,
        now: Instant,
        deadline: Instant,
        targets: Targets,
        scraper: &Scraper,
    ) -> Result<(ScrapeId, Arc<Event>), TooManyScrapes> {
        self.with(now, |state| {
            let scrape = state.collector.start_scrape(now, deadline, targets, scraper)?;
            let news = Arc::new(Event::new());
            state.scrapes.insert(scrape, Arc::clone(&news));
            Ok((scrape, news))
        })
    }

    /// Returns what a scrape hands out next. When its end is returned, everything that happened in it has been counted.
    pub(crate) fn poll_scrape(&self, now: Instant, scrape: ScrapeId) -> Progress {
        let progress = self.with(now, |state| state.collector.poll_scrape(scrape));
        if matches!(progress, Progress::Finished(_)) {
            drop(self.lock_counting());
        }
        progress
    }

    /// Returns an answer that has arrived before its turn, if there is one.
    pub(crate) fn poll_early(&self, scrape: ScrapeId) -> Option<(AppId, Answer)> {
        self.lock().collector.poll_early(scrape)
    }

    /// An answer that was handed out for an application is not in the scraper's body.
    pub(crate) fn leave_out(&self, scrape: ScrapeId, app: AppId) {
        self.lock().collector.leave_out(scrape, app);
    }

    /// The transport has taken the whole answer to a scrape.
    pub(crate) fn scrape_sent(&self, now: Instant, scrape: ScrapeId) {
        self.with(now, |state| {
            state.scrapes.remove(&scrape);
            state.collector.scrape_sent(scrape);
        });
    }

    /// Forgets a scrape.
    pub(crate) fn end_scrape(&self, now: Instant, scrape: ScrapeId, delivered: bool) {
        self.with(now, |state| {
            state.scrapes.remove(&scrape);
            state.collector.end_scrape(scrape, delivered);
        });
    }

    /// Reports how many series of each application were left out of an answer.
    pub(crate) fn report_collisions(&self, now: Instant, counts: &[(AppId, usize)]) {
        self.telemetry.collided(counts.iter().map(|(_, count)| *count as u64).sum());
        self.with(now, |state| {
            for (app, count) in counts {
                state.collector.report_collisions(now, *app, *count);
            }
        });
    }

    /// Counts families for which an application's type was not used.
    pub(crate) fn count_type_conflicts(&self, count: u64) {
        self.telemetry.types_conflicted(count);
    }

    /// Counts an answer of which a part was left out because of a bad line or a limit.
    pub(crate) fn count_reduced(&self) {
        self.telemetry.text_reduced();
    }

    /// Reads the entries of the applications that a scrape of all applications covers, in the same order.
    pub(crate) fn targets<T>(&self, now: Instant, read: impl FnMut(&App) -> T) -> Vec<T> {
        self.lock().collector.targets(now).map(read).collect()
    }

    /// Reads one application's entry, by its path.
    pub(crate) fn app_at<T>(&self, path: &str, read: impl FnOnce(&App) -> T) -> Option<T> {
        self.lock().collector.app_at(path).map(read)
    }

    /// Takes the next job, together with the room that `take` finds for it. Without room the job stays in the queue: it may be dropped meanwhile, or
    /// a more urgent one may arrive. An answer whose scrapes are over is never returned, even if the timer is late.
    pub(crate) fn take_job<T>(
        &self,
        now: Instant,
        take: impl FnOnce(&Job) -> Option<T>,
    ) -> Result<(Job, T), NoJob> {
        let mut state = self.lock();
        if state.collector.poll_timeout().is_some_and(|timeout| timeout <= now) {
            drop(state);
            self.with(now, |state| state.collector.handle_timeout(now));
            state = self.lock();
        }
        let room = take(state.collector.peek_job().ok_or(NoJob::Empty)?).ok_or(NoJob::NoRoom)?;
        let job = state.collector.poll_job().ok_or(NoJob::Empty)?;
        let has_jobs = state.collector.has_jobs();
        drop(state);
        self.wake(Vec::new(), &[], has_jobs, false);
        Ok((job, room))
    }

    /// Returns a listener for jobs. Listen first and then take a job: one that arrived in between has notified nobody.
    pub(crate) fn listen_for_jobs(&self) -> EventListener {
        self.jobs.listen()
    }

    /// Accepts a job's result.
    pub(crate) fn handle_job(&self, now: Instant, done: JobDone) {
        self.with(now, |state| state.collector.handle_job(now, done));
    }

    /// Holds a push again that an earlier process stored.
    pub(crate) fn restore_push(
        &self,
        now: Instant,
        push: RestoredPush,
        expires: Instant,
    ) -> Result<StoreId, PushError> {
        let restored = self.with(now, |state| state.collector.restore_push(now, push, expires));
        self.telemetry.pushes_held(self.lock().collector.held_pushes());
        restored
    }

    /// Takes up to `max` commands for the disk, or returns a listener for them.
    pub(crate) fn next_stores(&self, max: usize) -> Result<Vec<StoreCommand>, EventListener> {
        let listener = self.stores.listen();
        let mut state = self.lock();
        let next = std::iter::from_fn(|| state.collector.poll_store());
        let commands: Vec<StoreCommand> = next.take(max).collect();
        if commands.is_empty() { Err(listener) } else { Ok(commands) }
    }

    /// Takes an application that waits to be admitted, or returns a listener for one.
    pub(crate) fn next_admission(&self) -> Result<AdmissionRequest, EventListener> {
        let listener = self.admissions.listen();
        self.lock().collector.poll_admission().ok_or(listener)
    }

    /// Admits an application, or turns it away.
    pub(crate) fn handle_admission(
        &self,
        now: Instant,
        connection: ConnectionId,
        admitted: Result<Option<GrantId>, TurnedAway>,
    ) {
        self.with(now, |state| state.collector.handle_admission(connection, admitted));
    }

    /// Sets what may be granted from now on.
    pub(crate) fn set_grants(&self, now: Instant, grants: Vec<Grant>) {
        self.with(now, |state| state.collector.set_grants(grants));
    }

    /// Sets other limits from now on.
    pub(crate) fn reconfigure(&self, now: Instant, config: collector::Config) {
        self.with(now, |state| state.collector.reconfigure(now, config));
    }

    /// Accepts the results of storing pushes.
    pub(crate) fn handle_stored(&self, now: Instant, results: Vec<(StoreId, Result<(), String>)>) {
        self.with(now, |state| {
            for (id, result) in results {
                state.collector.handle_stored(now, id, result);
            }
        });
    }

    /// Whether a session may hand on its next event, or has to wait until some earlier data is opened. An answer also waits until some earlier
    /// answers are handed out, unless a scrape waits for it next.
    pub(crate) fn poll_room(
        &self,
        cx: &Context<'_>,
        connection: ConnectionId,
        is_answer: bool,
    ) -> Poll<()> {
        let mut state = self.lock();
        let may_hand_on = match is_answer {
            true => {
                state.has_room_for_answers()
                    || state.collector.heads().any(|head| head == connection)
            }
            false => state.has_room(),
        };
        if may_hand_on {
            // What it hands on is a change, which wakes the next one.
            state.stop_waiting(connection);
            return Poll::Ready(());
        }
        let turns = if is_answer { &mut state.waiting_with_answers } else { &mut state.waiting };
        turns.wait(connection, cx.waker());
        Poll::Pending
    }

    /// Counts a connection that was ended because others needed its memory.
    pub(crate) fn count_evicted(&self) {
        self.telemetry.connection_failed(ConnectionErrorCause::Memory);
    }

    /// Advances time. Returns the next timeout, and a listener for its changes.
    pub(crate) fn handle_timeout(&self, now: Instant) -> (Option<Instant>, EventListener) {
        let listener = self.timer.listen();
        let next = self.with(now, |state| {
            state.collector.handle_timeout(now);
            state.collector.poll_timeout()
        });
        (next, listener)
    }

    /// Updates the proxy's own metrics about the registry.
    pub(crate) fn count_apps(&self) {
        let mut census = Census::default();
        self.lock().collector.apps().for_each(|app| census.add(app));
        census.tell(&self.telemetry);
    }

    /// Returns the memory that all connections share.
    pub(crate) fn memory(&self) -> &Arc<ConnectionMemory> {
        &self.memory
    }

    /// Returns the log of anonymous peers on the applications' listeners.
    pub(crate) fn probes(&self) -> &ProbeLog {
        &self.probes
    }

    /// Returns the sizes of the tables.
    pub(crate) fn tables(&self) -> Tables {
        let state = self.lock();
        Tables {
            connections: state.collector.connections(),
            inboxes: state.inboxes.len(),
            entries: state.collector.entries(),
            requests: state.collector.requests(),
            scrapes: state.collector.scrapes(),
            answers: state.scrapes.len(),
            held_pushes: state.collector.held_pushes(),
            opening_pushes: state.collector.opening_pushes(),
            push_bytes: state.collector.push_bytes(),
            pending_bytes: state.collector.pending_bytes(),
            connection_bytes: self.memory.used(),
            has_jobs: state.collector.has_jobs(),
        }
    }

    /// Changes the state, and then counts, notifies and logs what follows from it.
    fn with<T>(&self, now: Instant, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let timeout = state.collector.poll_timeout();
        let result = act(&mut state);
        let mut effects = state.dispatch();
        effects.timer_changed = state.collector.poll_timeout() != timeout;
        if effects.notices.is_empty() {
            drop(state);
        } else {
            let (connected, held) = (state.collector.connected(), state.collector.held_pushes());
            let counting = self.lock_counting();
            drop(state);
            self.telemetry.active_connections(connected);
            self.telemetry.pushes_held(held);
            effects.notices.iter().for_each(|notice| notices::count(&self.telemetry, now, notice));
            drop(counting);
        }
        if effects.has_stores {
            self.stores.notify(1);
        }
        if effects.has_admissions {
            self.admissions.notify(1);
        }
        self.wake(effects.tasks, &effects.news, effects.has_jobs, effects.timer_changed);
        effects.notices.iter().for_each(|notice| self.history.on_notice(now, notice));
        effects.notices.iter().for_each(|notice| notices::log(&self.probes, now, notice));
        result
    }

    fn wake(&self, tasks: Vec<Waker>, news: &[Arc<Event>], has_jobs: bool, timer_changed: bool) {
        tasks.into_iter().for_each(Waker::wake);
        for news in news {
            news.notify(usize::MAX);
        }
        #[cfg(planted_faults)]
        let has_jobs = has_jobs && !prometheus_rsocket_protocol::planted::loses_wake_up();
        if has_jobs {
            self.jobs.notify_additional(1);
        }
        if timer_changed {
            self.timer.notify(usize::MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The collector has no step that a panic elsewhere could leave half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_counting(&self) -> MutexGuard<'_, ()> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether more data may wait to be opened.
    fn has_room(&self) -> bool {
        self.collector.unopened_bytes() < self.max_backlog
    }

    /// Whether more answers may wait to be opened and handed out.
    fn has_room_for_answers(&self) -> bool {
        self.has_room() && !self.collector.is_pressed()
    }

    fn stop_waiting(&mut self, connection: ConnectionId) {
        self.waiting.remove(connection);
        self.waiting_with_answers.remove(connection);
    }

    /// Passes the collector's commands to the connections, and collects the notifications that follow.
    fn dispatch(&mut self) -> Effects {
        let mut effects = Effects::default();
        while let Some((connection, command)) = self.collector.poll_command() {
            if let Some(inbox) = self.inboxes.get(&connection) {
                effects.tasks.extend(inbox.put(command));
            }
        }
        // One at a time: what it hands on, or its end, is the next change. Thousands at once would again find no room.
        if self.has_room() {
            effects.tasks.extend(self.waiting.pop());
        }
        if self.has_room_for_answers() {
            effects.tasks.extend(self.waiting_with_answers.pop());
        } else if !self.waiting_with_answers.is_empty() {
            // Connections that a scraper waits for next are let through all the same.
            let waiting = &mut self.waiting_with_answers;
            effects.tasks.extend(self.collector.heads().filter_map(|head| waiting.take(head)));
        }
        let news = std::iter::from_fn(|| self.collector.poll_news());
        effects.news = news.filter_map(|scrape| self.scrapes.get(&scrape).cloned()).collect();
        effects.notices = std::iter::from_fn(|| self.collector.poll_notice()).collect();
        effects.has_jobs = self.collector.has_jobs();
        effects.has_stores = self.collector.has_store();
        effects.has_admissions = self.collector.has_admissions();
        effects
    }
}

/// The message to applications of a proxy that stops.
pub(crate) const STOPPING: &str = "the proxy is shutting down";

fn goodbye() -> SessionCommand {
    SessionCommand::Close { code: ErrorCode::CONNECTION_ERROR, message: STOPPING.to_owned() }
}
