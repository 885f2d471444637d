//! Random runs of a collector: each scrape yields one outcome for every application, in order, and nothing is left over.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Op {
    Advance(u64),
    Answer(usize, Reply),
    /// With one of a few identities, declared in SETUP, or none.
    Connect(Option<usize>),
    Cut(usize),
    EndScrape(usize, bool),
    /// Finishes a job that was taken before; its worker may be lost.
    FinishJob(usize, bool),
    Push(usize, bool, Text),
    /// A scrape of all applications, or of those whose bits are set.
    Start(Option<u8>),
    /// Executes the store commands, or fails to.
    Store(bool),
    Take(usize),
    /// Takes a job, to be finished later.
    TakeJob,
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    Empty,
    Error,
    Text(Text),
}

#[derive(Clone, Copy, Debug)]
enum Text {
    Good,
    /// With labels from which an identity is learnt.
    Labelled,
    Rubbish,
}

impl Text {
    fn text(self) -> &'static str {
        match self {
            Self::Good => "good 1\n",
            Self::Labelled => "good{instance=\"a\"} 1\n",
            Self::Rubbish => "} rubbish\n",
        }
    }
}

const NAMES: [&str; 3] = ["a", "b", "c d"];

fn text_of_any_kind() -> impl Strategy<Value = Text> {
    prop_oneof![3 => Just(Text::Good), 2 => Just(Text::Labelled), 1 => Just(Text::Rubbish)]
}

fn op() -> impl Strategy<Value = Op> {
    let reply = prop_oneof![
        6 => text_of_any_kind().prop_map(Reply::Text),
        1 => Just(Reply::Empty),
        1 => Just(Reply::Error),
    ];
    let index = 0_usize..8;
    prop_oneof![
        4 => prop::option::of(0_usize..3).prop_map(Op::Connect),
        2 => index.clone().prop_map(Op::Cut),
        3 => prop::option::weighted(0.3, any::<u8>()).prop_map(Op::Start),
        8 => (index.clone(), reply).prop_map(|(app, reply)| Op::Answer(app, reply)),
        3 => (index.clone(), any::<bool>(), text_of_any_kind())
            .prop_map(|(app, waits, text)| Op::Push(app, waits, text)),
        8 => Just(Op::TakeJob),
        8 => (index.clone(), prop::bool::weighted(0.1)).prop_map(|(job, lost)| Op::FinishJob(job, lost)),
        4 => prop::bool::weighted(0.8).prop_map(Op::Store),
        4 => index.clone().prop_map(Op::Take),
        2 => (index, any::<bool>()).prop_map(|(scrape, delivered)| Op::EndScrape(scrape, delivered)),
        2 => (0_u64..15).prop_map(Op::Advance),
    ]
}

/// A scrape under way, with the outcomes that it must have and has had.
struct Under {
    id: ScrapeId,
    deadline: Instant,
    /// Connections, gone applications and unknown ids that need an outcome.
    expected: usize,
    told: Vec<AppId>,
    paths: BTreeSet<String>,
    is_over: bool,
}

struct Run {
    config: Config,
    world: World,
    live: Vec<ConnectionId>,
    scrapes: Vec<Under>,
    jobs: Vec<Job>,
    disk: BTreeSet<StoreId>,
}

impl Run {
    fn new(stores_pushes: bool) -> Self {
        let config = Config {
            stores_pushes,
            max_scrapes: 3,
            max_pushes: 3,
            max_gone: 3,
            max_push_bytes: 60,
            max_app_opening: 2,
            max_app_push_bytes: 45,
            app_push_rate: 1,
            app_push_burst: 3,
            grace: Duration::from_secs(20),
            push_ttl: Duration::from_secs(60),
            ..Config::default()
        };
        let world = World::new(config.clone());
        let (live, scrapes, jobs, disk) = Default::default();
        Self { config, world, live, scrapes, jobs, disk }
    }

    fn connection(&self, index: usize) -> Option<ConnectionId> {
        self.live.get(index % self.live.len().max(1)).copied()
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Connect(name) if self.live.len() < 6 => {
                let id = match name {
                    Some(name) => self.world.connect_as(NAMES[name]),
                    None => self.world.connect(),
                };
                self.live.push(id);
            }
            Op::Connect(_) => {}
            Op::Cut(index) => {
                if let Some(id) = self.connection(index) {
                    self.live.retain(|kept| *kept != id);
                    self.world.cut(id);
                }
            }
            Op::Start(some) => self.start(some),
            Op::Answer(index, reply) => self.answer(index, reply),
            Op::Push(index, waits, text) => {
                if let Some(id) = self.connection(index) {
                    let connection = &mut self.world.peer(id).app;
                    let sent = match waits {
                        true => connection.request_response(sealed(text.text())).map(|_| ()),
                        false => connection.fire_and_forget(sealed(text.text())).map(|_| ()),
                    };
                    sent.unwrap();
                }
            }
            Op::TakeJob => self.jobs.extend(self.world.collector.poll_job()),
            Op::FinishJob(index, lost) => self.finish_job(index, lost),
            Op::Store(works) => self.store(works),
            Op::Take(index) => self.take(index),
            Op::EndScrape(index, delivered) => self.end_scrape(index, delivered),
            Op::Advance(seconds) => self.world.advance(Duration::from_secs(seconds)),
        }
        self.world.run();
        self.check();
    }

    fn start(&mut self, some: Option<u8>) {
        let now = self.world.now;
        let (scraper, _) = self.world.collector.scrapers.see(now, &Scraper::named("a", "x"));
        let collector = &self.world.collector;
        let all: Vec<AppId> = collector.apps().map(|app| app.id).collect();
        let (targets, expected) = match some {
            None => {
                let is_target = |app: &&App| collector.is_target_for(now, app, scraper);
                (Targets::All, collector.apps().filter(is_target).count())
            }
            Some(bits) => {
                let chosen = all.iter().enumerate().filter(|(nth, _)| bits >> (nth % 8) & 1 == 1);
                let mut chosen: Vec<AppId> = chosen.map(|(_, id)| *id).collect();
                chosen.push(AppId(1_000_000));
                let expected = chosen.len();
                (Targets::Some(chosen), expected)
            }
        };
        let deadline = self.world.now + Duration::from_secs(10);
        let started = self.world.collector.start_scrape(
            self.world.now,
            deadline,
            targets,
            &Scraper::named("a", "x"),
        );
        assert_eq!(started.is_ok(), self.scrapes.len() < 3);
        if let Ok(id) = started {
            let (told, paths) = (Vec::new(), BTreeSet::new());
            let under = Under { id, deadline, expected, told, paths, is_over: false };
            self.scrapes.push(under);
        }
    }

    fn answer(&mut self, index: usize, reply: Reply) {
        let Some(id) = self.connection(index) else { return };
        let peer = self.world.peer(id);
        let Some(stream_id) = peer.asked.pop_front() else { return };
        // The stream may have been cancelled, in which case the answer fails.
        let _ = match reply {
            Reply::Empty => peer.app.complete(stream_id),
            Reply::Error => peer.app.reject(stream_id, ErrorCode::APPLICATION_ERROR, "no"),
            Reply::Text(text) => peer.app.respond(stream_id, sealed(text.text())),
        };
    }

    fn finish_job(&mut self, index: usize, lost: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let job = self.jobs.swap_remove(index % self.jobs.len());
        let done = if lost { job.ticket().lost() } else { work_one(job) };
        self.world.collector.handle_job(self.world.now, done);
    }

    fn store(&mut self, works: bool) {
        match self.world.collector.poll_store() {
            Some(StoreCommand::Keep { id, .. }) if works => {
                assert!(self.disk.insert(id));
                self.world.collector.handle_stored(self.world.now, id, Ok(()));
            }
            Some(StoreCommand::Keep { id, .. }) => {
                self.world.collector.handle_stored(self.world.now, id, Err("no".to_owned()));
            }
            Some(StoreCommand::Forget { id }) => assert!(self.disk.remove(&id)),
            None => {}
        }
    }

    fn take(&mut self, index: usize) {
        let count = self.scrapes.len().max(1);
        let Some(scrape) = self.scrapes.get_mut(index % count) else { return };
        let now = self.world.now;
        let is_learnt =
            |notice: &&Notice| matches!(notice, Notice::Identified { came_back: true, .. });
        let learnt = self.world.notices.iter().filter(is_learnt).count();
        loop {
            match self.world.collector.poll_scrape(scrape.id) {
                Progress::Outcome(outcome) => {
                    assert!(!scrape.is_over, "nothing follows the end");
                    assert!(scrape.told.last().is_none_or(|last| *last < outcome.app.id));
                    assert!(scrape.paths.insert(outcome.app.path.to_string()), "a path twice");
                    scrape.told.push(outcome.app.id);
                    let is_push = outcome.result.as_ref().is_ok_and(|answer| answer.is_push);
                    assert_eq!(outcome.instead_of.is_some(), is_push);
                    let _ = outcome.result.as_ref().map(text);
                }
                Progress::Pending => {
                    assert!(now < scrape.deadline, "beyond its deadline");
                    return;
                }
                Progress::Finished(summary) => {
                    assert_eq!(summary.apps, scrape.told.len(), "one outcome for each");
                    // Two entries that were merged during the scrape count as one.
                    let merged = scrape.expected - summary.apps;
                    assert!(merged <= learnt, "{merged} are missing");
                    assert!(summary.pushes <= summary.served && summary.served <= summary.apps);
                    scrape.is_over = true;
                    return;
                }
            }
        }
    }

    fn end_scrape(&mut self, index: usize, delivered: bool) {
        if !self.scrapes.is_empty() {
            let scrape = self.scrapes.swap_remove(index % self.scrapes.len());
            self.world.collector.end_scrape(scrape.id, delivered && scrape.is_over);
        }
    }

    fn check(&self) {
        let collector = &self.world.collector;
        let apps: Vec<&App> = collector.apps().collect();
        assert!(apps.is_sorted_by_key(|app| app.id));
        let paths: BTreeSet<&str> = apps.iter().map(|app| &*app.path).collect();
        assert_eq!(paths.len(), apps.len(), "a path of its own for each");
        assert!(apps.iter().all(|app| collector.app_at(&app.path).unwrap().id == app.id));
        let of_gone = apps.iter().filter(|app| app.is_gone() && !app.is_pinned).count();
        assert!(of_gone <= self.config.max_gone);
        assert!(apps.iter().all(|app| app.has_push == collector.pushes.is_held(app.id)));
        assert!(collector.pushes.iter().all(|(_, held)| collector.app(held.app).is_some()));
        let is_safe = |id| self.disk.contains(&StoreId(id));
        let stored = self.config.stores_pushes;
        assert!(collector.pushes.iter().all(|(id, _)| !stored || is_safe(id)));
        assert!(collector.pushes.len() <= self.config.max_pushes);
        assert!(collector.pushes.bytes() <= self.config.max_push_bytes);
        let firm = collector.pushes.firm();
        let had = || collector.pushes.iter().filter(|(_, held)| !held.had.is_empty());
        let had_bytes: usize = had().map(|(_, held)| held.answer.block.len()).sum();
        let count = collector.pushes.len() - firm.0;
        assert_eq!((count, collector.pushes.bytes() - firm.1), (had().count(), had_bytes));
        assert!(collector.requests() <= collector.connections());
        assert_eq!(
            (collector.connections(), collector.connected()),
            (self.live.len(), self.live.len())
        );
        for app in apps.iter().filter(|app| app.is_up() && !app.labels.is_empty()) {
            let same = apps.iter().filter(|other| other.is_up() && other.labels == app.labels);
            assert_eq!(app.is_duplicate, same.count() > 1);
        }
    }

    /// Ends everything, and checks that nothing is left.
    fn finish(mut self) {
        self.world.advance(Duration::from_secs(10));
        for index in 0..self.scrapes.len() {
            self.take(index);
            assert!(self.scrapes[index].is_over, "a scrape ends by its deadline");
        }
        assert_eq!(self.world.collector.requests(), 0);
        while !self.scrapes.is_empty() {
            self.end_scrape(0, true);
        }
        for id in std::mem::take(&mut self.live) {
            self.world.cut(id);
        }
        self.jobs.extend(std::iter::from_fn(|| self.world.collector.poll_job()));
        while !self.jobs.is_empty() {
            self.finish_job(0, false);
        }
        while self.world.collector.has_store() {
            self.store(true);
        }
        self.world.advance(self.config.push_ttl + self.config.grace);
        while self.world.collector.has_store() {
            self.store(true);
        }
        assert!(self.disk.is_empty());
        let collector = &self.world.collector;
        assert_eq!((collector.pending_bytes(), collector.pushes.bytes()), (0, 0));
        assert_eq!((collector.scrapes(), collector.connections()), (0, 0));
        assert_eq!((collector.connected(), collector.held_pushes()), (0, 0));
        assert_eq!((collector.entries(), collector.poll_timeout()), (0, None));
        assert!(!collector.has_jobs());
    }
}

proptest! {
    #[test]
    fn each_scrape_tells_of_everybody_once_and_nothing_is_left(ops in prop::collection::vec(op(), 0..200), stores: bool) {
        let mut run = Run::new(stores);
        for op in ops {
            run.apply(op);
        }
        run.finish();
    }

    /// An application that answers well before the deadline, and whose answer is opened, is served, whatever the others do.
    #[test]
    fn who_answers_in_time_is_served(replies in prop::collection::vec(prop::option::of(any::<bool>()), 1..8)) {
        let mut world = World::new(Config::default());
        let apps: Vec<ConnectionId> = replies.iter().map(|_| world.connect()).collect();
        let scrape = world.start();
        let mut expected = Vec::new();
        for (app, reply) in apps.iter().zip(&replies).rev() {
            let path = format!("connection-{app}");
            match reply {
                Some(true) => {
                    world.answer(*app, "good 1\n");
                    expected.insert(0, served(&path, "good 1\n"));
                }
                Some(false) => {
                    world.answer(*app, "} rubbish\n");
                    expected.insert(0, failed(&path, "exposition"));
                }
                None => expected.insert(0, failed(&path, "timeout")),
            }
        }
        world.work();
        world.advance(Duration::from_secs(10));
        let count = replies.iter().filter(|reply| **reply == Some(true)).count();
        let (outcomes, over) = world.take(scrape);
        prop_assert_eq!(&outcomes, &expected);
        prop_assert_eq!(over, Some(summary(apps.len(), count, 0)));
    }
}
