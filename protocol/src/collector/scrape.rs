use super::push::PushId;
use super::request::RequestId;
use super::scrapers::Whose;
use super::{Answer, AppId, AppRef, ConnectionId, Outcome, Progress, ScrapeFailure, Summary};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Identifies a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScrapeId(u64);

/// All scrapes under way. Each owns its slots, which change only through the methods here.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    table: BTreeMap<ScrapeId, Scrape>,
    /// Scrapes that have something new to hand out.
    news: BTreeSet<ScrapeId>,
    /// Answers that wait in slots: their weight, and the number of slots.
    held: BTreeMap<RequestId, (usize, usize)>,
    held_bytes: usize,
    /// Slots that wait for a push, or did.
    awaited: BTreeMap<PushId, Vec<(ScrapeId, AppId)>>,
    /// Scrapes that were sent and perhaps not read: at most [`MAX_SENT`].
    sent: BTreeMap<ScrapeId, Delivery>,
    next: u64,
}

/// One scrape: the state of each of its applications.
///
/// A slot is removed once its outcome has been handed out, so what was sent is not held. Slots are in the order of ids, so the
/// order of outcomes is always the same.
#[derive(Debug)]
struct Scrape {
    started: Instant,
    deadline: Instant,
    slots: BTreeMap<AppId, Slot>,
    /// The paths of all applications of the scrape.
    paths: BTreeSet<Arc<str>>,
    /// Its scraper.
    whose: Whose,
    /// Pushes that other scrapes of the same scraper leave out as long as this one goes on.
    claims: Vec<PushId>,
    /// Pushes that were handed out, each with its application.
    pushes: Vec<(AppId, PushId)>,
    /// Pushes for which a later answer was handed out.
    superseded: Vec<(AppId, PushId)>,
    /// Applications whose answers have arrived and were not looked at yet, in the order of arrival.
    early: VecDeque<AppId>,
    /// Whether the deadline was extended because the clock jumped.
    is_extended: bool,
    /// Whether answers need not wait for applications before them if answers take up the room: after a quarter of the time.
    may_pass_over: bool,
    /// Whether the deadline has passed, so that nothing is waited for any more.
    is_over: bool,
    summary: Summary,
}

#[derive(Debug)]
struct Slot {
    app: AppRef,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for the request under way on this connection.
    Asked(ConnectionId),
    /// Has failed, and waits for a push that is being opened to stand in.
    AwaitingPush(PushId, ScrapeFailure),
    /// To be handed out.
    Settled(Box<Settled>),
}

/// How a slot was settled.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) result: Result<Answer, ScrapeFailure>,
    pub(super) earlier: Vec<Answer>,
    pub(super) instead_of: Option<ScrapeFailure>,
    pub(super) took: Duration,
    pub(super) origin: Origin,
    /// The pushes in the outcome, or those that it supersedes.
    pub(super) pushes: Vec<PushId>,
}

/// Where a slot's outcome comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Answer(RequestId),
    Failure,
    Push,
}

/// What a scrape delivers to its scraper.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) whose: Whose,
    pub(super) claims: Vec<PushId>,
    /// Pushes that it handed out.
    pub(super) pushes: Vec<PushId>,
    /// Pushes for which it handed out a later answer.
    pub(super) superseded: Vec<PushId>,
}

/// What an open slot still waits for.
#[derive(Debug)]
pub(super) enum Open {
    Asked(ConnectionId),
    AwaitingPush(ScrapeFailure),
}

impl Scrapes {
    pub(super) fn start(&mut self, now: Instant, deadline: Instant, whose: Whose) -> ScrapeId {
        let id = ScrapeId(self.next);
        self.next += 1;
        let scrape = Scrape {
            started: now,
            deadline,
            slots: BTreeMap::new(),
            paths: BTreeSet::new(),
            whose,
            claims: Vec::new(),
            pushes: Vec::new(),
            superseded: Vec::new(),
            early: VecDeque::new(),
            is_extended: false,
            may_pass_over: false,
            is_over: false,
            summary: Summary::default(),
        };
        self.table.insert(id, scrape);
        // A scrape without applications is over immediately.
        self.news.insert(id);
        id
    }

    /// Adds an application that was asked.
    pub(super) fn add_asked(&mut self, id: ScrapeId, app: AppRef, connection: ConnectionId) {
        self.add(id, app, State::Asked(connection));
    }

    /// Adds an application that has failed, unless a push that is being opened stands in.
    pub(super) fn add_awaiting(
        &mut self,
        id: ScrapeId,
        app: AppRef,
        push: PushId,
        failure: ScrapeFailure,
    ) {
        self.awaited.entry(push).or_default().push((id, app.id));
        self.add(id, app, State::AwaitingPush(push, failure));
    }

    /// Adds an application whose outcome is known.
    pub(super) fn add_settled(&mut self, id: ScrapeId, app: AppRef, settled: Settled) {
        self.add(id, app, State::Settled(Box::new(settled)));
    }

    fn add(&mut self, id: ScrapeId, app: AppRef, state: State) {
        let Some(scrape) = self.table.get_mut(&id) else { return };
        scrape.paths.insert(Arc::clone(&app.path));
        scrape.slots.insert(app.id, Slot { app, state });
        scrape.summary.apps += 1;
    }

    /// Returns the application of an open slot, and the time since its scrape began.
    pub(super) fn open_slot(
        &self,
        now: Instant,
        id: ScrapeId,
        app: AppId,
    ) -> Option<(AppRef, Duration)> {
        let scrape = self.table.get(&id)?;
        let slot = scrape.slots.get(&app).filter(|slot| slot.is_open())?;
        Some((slot.app.clone(), now.saturating_duration_since(scrape.started)))
    }

    /// Settles an open slot.
    pub(super) fn settle(&mut self, id: ScrapeId, app: AppId, settled: Settled) {
        let Some(scrape) = self.table.get_mut(&id) else { return };
        let Some(slot) = scrape.slots.get_mut(&app).filter(|slot| slot.is_open()) else { return };
        if let (Origin::Answer(request), Ok(answer)) = (settled.origin, &settled.result) {
            let weight = answer.weight();
            let held = self.held.entry(request).or_insert((weight, 0));
            self.held_bytes += if held.1 == 0 { weight } else { 0 };
            held.1 += 1;
            scrape.early.push_back(app);
            self.news.insert(id);
        }
        slot.state = State::Settled(Box::new(settled));
        self.note_news(id);
    }

    /// Makes an open slot wait for a push.
    pub(super) fn await_push(
        &mut self,
        id: ScrapeId,
        app: AppId,
        push: PushId,
        failure: ScrapeFailure,
    ) {
        let slot = self.table.get_mut(&id).and_then(|scrape| scrape.slots.get_mut(&app));
        if let Some(slot) = slot.filter(|slot| slot.is_open()) {
            slot.state = State::AwaitingPush(push, failure);
            self.awaited.entry(push).or_default().push((id, app));
        }
    }

    /// A push is no longer being opened. Returns the slots that wait for it, and why they have failed.
    pub(super) fn on_push_opened(&mut self, push: PushId) -> Vec<(ScrapeId, AppId, ScrapeFailure)> {
        let waited = self.awaited.remove(&push).unwrap_or_default();
        let failure_of = |(id, app): (ScrapeId, AppId)| {
            let slot = self.table.get(&id)?.slots.get(&app)?;
            match &slot.state {
                State::AwaitingPush(awaited, failure) if *awaited == push => {
                    Some((id, app, failure.clone()))
                }
                State::Asked(_) | State::AwaitingPush(..) | State::Settled(_) => None,
            }
        };
        waited.into_iter().filter_map(failure_of).collect()
    }

    /// An application's identity was learnt from its answer: its outcome carries it. If an entry with this identity returned that this scrape has
    /// as gone, the outcome replaces that one and takes its place in the order. Returns the id of the slot.
    ///
    /// If the other outcome has already been handed out, this one keeps its own path: no two outcomes of a scrape have the same path.
    pub(super) fn identify(&mut self, id: ScrapeId, slot_id: AppId, app: &AppRef) -> AppId {
        let Some(scrape) = self.table.get_mut(&id) else { return slot_id };
        let is_waiting = |slot: &Slot| app.id != slot_id && slot.app.path == app.path;
        let replaces = scrape.slots.get(&app.id).is_some_and(is_waiting);
        if !replaces && (app.id != slot_id || scrape.paths.contains(&app.path)) {
            return slot_id;
        }
        let Some(mut slot) = scrape.slots.remove(&slot_id) else { return slot_id };
        slot.app = app.clone();
        scrape.paths.insert(Arc::clone(&app.path));
        if let Some(replaced) = scrape.slots.insert(app.id, slot) {
            scrape.summary.apps -= 1;
            self.drop_slot(replaced);
        }
        app.id
    }

    /// Answers take up the room: scrapes that need not keep the order may have something to hand out.
    pub(super) fn on_pressed(&mut self) {
        let free = self.table.iter().filter(|(_, scrape)| scrape.may_pass_over);
        self.news.extend(free.map(|(id, _)| *id));
    }

    /// The next outcome of a scrape. If `is_pressed`, answers do not wait for their turn for ever.
    pub(super) fn poll(&mut self, id: ScrapeId, is_pressed: bool) -> Progress {
        let Some(scrape) = self.table.get_mut(&id) else {
            return Progress::Finished(Summary::default());
        };
        if scrape.slots.is_empty() {
            return Progress::Finished(scrape.summary);
        }
        let reach = if is_pressed && scrape.may_pass_over { usize::MAX } else { 1 };
        let settled = scrape.slots.iter().take(reach).find(|(_, slot)| !slot.is_open());
        let next = settled.map(|(app, _)| *app);
        let Some(slot) = next.and_then(|app| scrape.slots.remove(&app)) else {
            return Progress::Pending;
        };
        let State::Settled(settled) = slot.state else { return Progress::Pending };
        scrape.summary.served += usize::from(settled.result.is_ok());
        let is_gone = matches!(settled.result, Err(ScrapeFailure::Gone));
        scrape.summary.gone += usize::from(is_gone);
        match settled.origin {
            Origin::Push => {
                scrape.summary.pushes += 1;
                scrape.pushes.extend(settled.pushes.iter().map(|push| (slot.app.id, *push)));
            }
            Origin::Answer(request) => {
                scrape.superseded.extend(settled.pushes.iter().map(|push| (slot.app.id, *push)));
                self.release(request);
            }
            Origin::Failure => {}
        }
        let Settled { result, earlier, instead_of, took, .. } = *settled;
        Progress::Outcome(Box::new(Outcome { app: slot.app, took, result, earlier, instead_of }))
    }

    /// The next answer in the order of arrival. It is still handed out in its turn.
    pub(super) fn poll_early(&mut self, id: ScrapeId) -> Option<(AppId, Answer)> {
        let scrape = self.table.get_mut(&id)?;
        loop {
            let app = scrape.early.pop_front()?;
            if let Some(State::Settled(settled)) = scrape.slots.get(&app).map(|slot| &slot.state)
                && let Ok(answer) = &settled.result
            {
                return Some((app, answer.clone()));
            }
        }
    }

    /// The scraper of a scrape.
    pub(super) fn whose(&self, id: ScrapeId) -> Option<Whose> {
        self.table.get(&id).map(|scrape| scrape.whose)
    }

    /// What was handed out for an application is not part of the scraper's answer.
    pub(super) fn leave_out(&mut self, id: ScrapeId, app: AppId) {
        if let Some(scrape) = self.table.get_mut(&id) {
            scrape.pushes.retain(|(other, _)| *other != app);
            scrape.superseded.retain(|(other, _)| *other != app);
        }
    }

    /// A scrape has pushes that other scrapes of the same scraper leave out.
    pub(super) fn note_claims(&mut self, id: ScrapeId, pushes: &[PushId]) {
        if let Some(scrape) = self.table.get_mut(&id) {
            scrape.claims.extend(pushes);
        }
    }

    /// Removes a scrape. Returns the connections that it still waits for, and what it delivers.
    pub(super) fn end(&mut self, id: ScrapeId) -> Option<(Vec<ConnectionId>, Delivery)> {
        if let Some(delivery) = self.sent.remove(&id) {
            return Some((Vec::new(), delivery));
        }
        let mut scrape = self.table.remove(&id)?;
        self.news.remove(&id);
        let mut asked = Vec::new();
        for slot in std::mem::take(&mut scrape.slots).into_values() {
            if let State::Asked(connection) = slot.state {
                asked.push(connection);
            }
            self.drop_slot(slot);
        }
        let Scrape { whose, claims, pushes, superseded, .. } = scrape;
        let ids = |pushes: Vec<(AppId, PushId)>| pushes.into_iter().map(|(_, id)| id).collect();
        let (pushes, superseded) = (ids(pushes), ids(superseded));
        Some((asked, Delivery { whose, claims, pushes, superseded }))
    }

    /// Keeps what was sent until [`end`](Self::end). Returns the oldest scrape if there are too many: it ends as not delivered.
    pub(super) fn keep_sent(&mut self, id: ScrapeId, delivery: Delivery) -> Option<ScrapeId> {
        self.sent.insert(id, delivery);
        let is_full = self.sent.len() > MAX_SENT;
        self.sent.first_key_value().filter(|_| is_full).map(|(oldest, _)| *oldest)
    }

    /// Ends scrapes at their deadline. Returns their open slots, which are to be settled now.
    ///
    /// If a deadline passed long ago, the process was suspended or the clock jumped. Answers that arrived meanwhile are still
    /// in the sockets, so such a scrape continues for a moment, once.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(ScrapeId, AppId, Open)> {
        let mut open = Vec::new();
        for (id, scrape) in &mut self.table {
            if !scrape.may_pass_over && scrape.patience() <= now {
                scrape.may_pass_over = true;
                self.news.insert(*id);
            }
            if scrape.is_over || scrape.deadline > now {
                continue;
            }
            if !scrape.is_extended && now - scrape.deadline > JUMP {
                scrape.is_extended = true;
                scrape.deadline = now + JUMP_GRACE;
                continue;
            }
            scrape.is_over = true;
            for (app, slot) in &scrape.slots {
                let state = match &slot.state {
                    State::Asked(connection) => Open::Asked(*connection),
                    State::AwaitingPush(_, failure) => Open::AwaitingPush(failure.clone()),
                    State::Settled(_) => continue,
                };
                open.push((*id, *app, state));
            }
        }
        open
    }

    /// When a scrape ends.
    pub(super) fn deadline(&self, id: ScrapeId) -> Option<Instant> {
        self.table.get(&id).map(|scrape| scrape.deadline)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let open = self.table.values().filter(|scrape| !scrape.is_over);
        open.map(Scrape::next_deadline).min()
    }

    /// The connections that scrapes wait for next: those of the first [`HEADS`] applications of each scrape.
    pub(super) fn heads(&self) -> impl Iterator<Item = ConnectionId> {
        let slots = self.table.values().flat_map(|scrape| scrape.slots.values().take(HEADS));
        slots.filter_map(|slot| match slot.state {
            State::Asked(connection) => Some(connection),
            State::AwaitingPush(..) | State::Settled(_) => None,
        })
    }

    pub(super) fn poll_news(&mut self) -> Option<ScrapeId> {
        self.news.pop_first()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of answers that wait to be handed out. An answer that several scrapes share counts once.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn drop_slot(&mut self, slot: Slot) {
        if let State::Settled(settled) = slot.state
            && let Origin::Answer(request) = settled.origin
        {
            self.release(request);
        }
    }

    fn release(&mut self, request: RequestId) {
        let Some((weight, count)) = self.held.get_mut(&request) else { return };
        *count -= 1;
        if *count == 0 {
            self.held_bytes -= *weight;
            self.held.remove(&request);
        }
    }

    fn note_news(&mut self, id: ScrapeId) {
        let Some(scrape) = self.table.get(&id) else { return };
        if scrape.slots.first_key_value().is_none_or(|(_, slot)| !slot.is_open()) {
            self.news.insert(id);
        }
    }
}

impl Scrape {
    /// Until when answers wait for their turn, even if they take up the room.
    fn patience(&self) -> Instant {
        self.started + self.deadline.saturating_duration_since(self.started) / 4
    }

    fn next_deadline(&self) -> Instant {
        if self.may_pass_over { self.deadline } else { self.patience() }
    }
}

impl Slot {
    fn is_open(&self) -> bool {
        match self.state {
            State::Asked(_) | State::AwaitingPush(..) => true,
            State::Settled(_) => false,
        }
    }
}

/// The number of applications of a scrape whose answers are let through while answers take up the room.
const HEADS: usize = 4;
/// The maximum number of scrapes that were sent with pushes and perhaps not read.
const MAX_SENT: usize = 1024;
/// How late a deadline must be noticed to count as a jump of the clock. A busy event loop is never this late.
const JUMP: Duration = Duration::from_secs(2);
/// How long a scrape continues after a jump.
const JUMP_GRACE: Duration = Duration::from_secs(1);
