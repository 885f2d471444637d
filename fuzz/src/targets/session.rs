//! The proxy's side: sessions, scrapes, jobs and pushes of several applications, some of which mean harm.

use crate::forge;
use crate::input::Input;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::collector::{
    AppId, Collector, Config, ConnectionId, Grant, GrantId, Job, JobDone, Notice, Peer, Progress,
    ScrapeId, Scraper, Session, StoreCommand, StoreId, Targets, Tools, Transport, TurnedAway,
};
use prometheus_rsocket_protocol::envelope::{
    self, Fingerprint, KeyUnwrap, OpenLimits, Scratch, SecretKey, UnwrapError,
};
use prometheus_rsocket_protocol::exposition::{self, Inject, Policy, Source};
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::rsocket::connection::{self, Event};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_protocol::rsocket::metadata::MimeId;
use prometheus_rsocket_protocol::{Connection, Labels, Machine, Payload};
use prometheus_rsocket_testkit::world::epoch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// A scrape ends by its deadline with one outcome for each application, in the order of ids and under different paths; what is
/// served can be read; one application's bytes never keep another's out; and when all are gone, nothing is left.
pub fn session(data: &[u8]) {
    let mut input = Input::new(data);
    let mut run = Run::new(&mut input);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
        run.settle();
    }
    run.finish();
}

struct Run {
    now: Instant,
    config: Config,
    connection: connection::Config,
    collector: Collector,
    apps: BTreeMap<ConnectionId, App>,
    scrapes: Vec<Open>,
    jobs: Vec<Job>,
    /// Pushes that notices told of as held, less those that they told of as gone since.
    stored: usize,
    disk: BTreeSet<StoreId>,
}

/// The proxy's session, and the application's end.
struct App {
    session: Session,
    end: End,
    /// On the way to the session.
    up: BytesMut,
}

enum End {
    /// One of ours.
    Honest { connection: Box<Connection>, asked: VecDeque<StreamId>, pushes: BTreeSet<StreamId> },
    /// Says anything.
    Hostile,
}

/// A scrape under way, and whom it has handed out.
struct Open {
    id: ScrapeId,
    deadline: Instant,
    told: Vec<AppId>,
    paths: BTreeSet<String>,
    is_over: bool,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let mut config = Config::default();
        config.max_connections = 6;
        config.max_gone = 4;
        config.grace = Duration::from_secs(20);
        config.max_scrapes = 3;
        config.max_pushes = 3;
        if input.flag() {
            config.max_pending_bytes = 40 + input.below(200);
            config.max_push_bytes = 20 + input.below(100);
            config.stores_pushes = true;
            config.admission = input.flag();
            config.max_admissions = 3;
        }
        config.push_ttl = Duration::from_secs(30);
        let mut connection = connection::Config::default();
        if input.flag() {
            connection.max_open_streams = 4;
            connection.max_queued_frames = 4;
            connection.max_payload_len = 500;
            connection.max_unfinished = 700;
        }
        let collector = Collector::new(config.clone());
        Self {
            now: epoch(),
            config,
            connection,
            collector,
            apps: BTreeMap::new(),
            scrapes: Vec::new(),
            jobs: Vec::new(),
            stored: 0,
            disk: BTreeSet::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 => {
                let kind = input.below(12);
                self.connect(kind.is_multiple_of(4), [None, Some("a"), Some("b c")][kind / 4]);
            }
            1 => self.cut(input.below(6)),
            2 => self.start(input.flag()),
            3 | 4 => self.answer(input),
            5 => self.push(input),
            6 => self.jobs.extend(self.collector.poll_job()),
            7 | 8 => self.finish_job(input.below(8), input.below(8) == 0),
            9 => self.take(input.below(3)),
            10 => self.end_scrape(input.below(3), input.flag()),
            11 => self.advance(Duration::from_secs(input.below(15) as u64)),
            12 if self.config.admission => self.admit(input.below(4)),
            13 if self.config.admission => self.grant(input.below(4)),
            _ => self.hear(input),
        }
    }

    /// Answers the next application that waits to be admitted.
    fn admit(&mut self, how: usize) {
        let Some(request) = self.collector.poll_admission() else { return };
        assert!(self.config.admission && self.collector.waiting_admissions() <= 3);
        let admitted = match how {
            0 => Ok(None),
            1 => Ok(Some(GrantId(1))),
            2 => Ok(Some(GrantId(2))),
            _ => Err(TurnedAway::Credentials),
        };
        self.collector.handle_admission(request.connection, admitted);
    }

    /// Some of two grants, of which one gives what others say of themselves.
    fn grant(&mut self, which: usize) {
        let grant = |id: u128, instance: &str| Grant {
            id: GrantId(id),
            entry: instance.into(),
            labels: Labels::new([("instance", instance)]).expect("good labels"),
            may_set: None,
        };
        let all = [grant(1, "a"), grant(2, "z")].into_iter().enumerate();
        let some = all.filter(|(nth, _)| which & (1 << nth) != 0).map(|(_, grant)| grant);
        self.collector.set_grants(some.collect());
    }

    fn connect(&mut self, is_hostile: bool, instance: Option<&str>) {
        let has_room = self.collector.connections() < self.config.max_connections;
        let address = "192.0.2.1:4711".to_owned();
        let peer = Peer { address, transport: Transport::Tcp, tls: None };
        let accepted = self.collector.accept(self.now, peer);
        assert_eq!(accepted.is_ok(), has_room);
        let Ok(id) = accepted else { return };
        let config = self.connection.clone();
        let session = Session::new(id, config.clone(), [4; 32], self.now);
        let mut up = BytesMut::new();
        let end = match is_hostile {
            true => {
                let setup = Frame::on_connection(Body::Setup(Box::<Setup>::default()));
                encode_prefixed(&setup, &mut up).expect("a short frame");
                End::Hostile
            }
            false => {
                let connection = Connection::client(config, setup(instance), self.now);
                let connection = Box::new(connection.expect("a good SETUP"));
                End::Honest { connection, asked: VecDeque::new(), pushes: BTreeSet::new() }
            }
        };
        self.apps.insert(id, App { session, end, up });
    }

    fn app(&mut self, nth: usize) -> Option<&mut App> {
        let count = self.apps.len().max(1);
        self.apps.values_mut().nth(nth % count)
    }

    fn cut(&mut self, nth: usize) {
        let (count, now) = (self.apps.len().max(1), self.now);
        let Some(id) = self.apps.keys().nth(nth % count).copied() else { return };
        if let Some(app) = self.apps.get_mut(&id) {
            app.session.handle_eof(now);
        }
        self.settle();
        self.apps.remove(&id);
        self.collector.remove(now, id);
    }

    fn start(&mut self, is_of_all: bool) {
        let deadline = self.now + Duration::from_secs(10);
        let targets = match is_of_all {
            true => Targets::All,
            false => Targets::Some(self.collector.apps().map(|app| app.id).step_by(2).collect()),
        };
        let started =
            self.collector.start_scrape(self.now, deadline, targets, &Scraper::named("a", "x"));
        assert_eq!(started.is_ok(), self.scrapes.len() < self.config.max_scrapes);
        if let Ok(id) = started {
            let (told, paths) = (Vec::new(), BTreeSet::new());
            self.scrapes.push(Open { id, deadline, told, paths, is_over: false });
        }
    }

    fn answer(&mut self, input: &mut Input<'_>) {
        let (nth, reply) = (input.below(6), input.below(6));
        let text = sealed(input);
        let Some(App { end: End::Honest { connection, asked, .. }, .. }) = self.app(nth) else {
            return;
        };
        let Some(id) = asked.pop_front() else { return };
        // It may have been cancelled, which fails the answer.
        _ = match reply {
            0 => connection.complete(id),
            1 => connection.reject(id, ErrorCode::APPLICATION_ERROR, "no"),
            _ => connection.respond(id, text),
        };
    }

    fn push(&mut self, input: &mut Input<'_>) {
        let (nth, waits) = (input.below(6), input.flag());
        let text = sealed(input);
        let Some(App { end: End::Honest { connection, pushes, .. }, .. }) = self.app(nth) else {
            return;
        };
        if waits {
            pushes.extend(connection.request_response(text));
        } else {
            _ = connection.fire_and_forget(text);
        }
    }

    /// What a hostile one says.
    fn hear(&mut self, input: &mut Input<'_>) {
        let nth = input.below(6);
        let mut bytes = BytesMut::new();
        match input.below(4) {
            0 => bytes.extend_from_slice(input.bytes()),
            _ => {
                let frame = forge::frame(input);
                encode_prefixed(&frame, &mut bytes).expect("a short frame");
            }
        }
        if let Some(App { end: End::Hostile, up, .. }) = self.app(nth) {
            up.extend_from_slice(&bytes);
        }
    }

    fn finish_job(&mut self, nth: usize, is_lost: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let job = self.jobs.swap_remove(nth % self.jobs.len());
        let done = match is_lost {
            true => job.ticket().lost(),
            false => work(job),
        };
        self.collector.handle_job(self.now, done);
    }

    fn take(&mut self, nth: usize) {
        let count = self.scrapes.len().max(1);
        let Some(scrape) = self.scrapes.get_mut(nth % count) else { return };
        loop {
            match self.collector.poll_scrape(scrape.id) {
                Progress::Outcome(outcome) => {
                    assert!(!scrape.is_over, "nothing follows the end");
                    assert!(scrape.told.last().is_none_or(|last| *last < outcome.app.id), "order");
                    assert!(scrape.paths.insert(outcome.app.path.to_string()), "a path twice");
                    scrape.told.push(outcome.app.id);
                    let Ok(answer) = outcome.result else { continue };
                    assert_eq!(outcome.instead_of.is_some(), answer.is_push);
                    // What was served can be read by itself, and so beside any other.
                    let text = envelope::expand(&answer.block, 1 << 20).expect("it was opened");
                    assert_eq!(text.len(), answer.text_len);
                    let (identity, inject) =
                        (&answer.injected.labels, answer.injected.inject(INJECT));
                    let source = Source { text: &text, identity, inject, seed: SEED };
                    let facts = exposition::read(&source, &Policy::default());
                    assert_eq!(facts.expect("it was read").samples, answer.facts.samples);
                }
                Progress::Pending => {
                    assert!(self.now < scrape.deadline, "beyond its deadline");
                    return;
                }
                Progress::Finished(summary) => {
                    assert_eq!(summary.apps, scrape.told.len(), "one outcome for each");
                    assert!(summary.pushes <= summary.served && summary.served <= summary.apps);
                    scrape.is_over = true;
                    return;
                }
            }
        }
    }

    fn end_scrape(&mut self, nth: usize, delivered: bool) {
        if !self.scrapes.is_empty() {
            let scrape = self.scrapes.swap_remove(nth % self.scrapes.len());
            self.collector.end_scrape(scrape.id, delivered && scrape.is_over);
        }
    }

    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(next) = self.collector.poll_timeout().filter(|next| *next < end) {
            self.collector.handle_timeout(next);
        }
        self.now = end;
        self.collector.handle_timeout(self.now);
        assert!(self.collector.poll_timeout().is_none_or(|next| next > self.now));
        for app in self.apps.values_mut() {
            app.session.handle_timeout(self.now);
            assert!(app.session.poll_timeout().is_none_or(|next| next > self.now));
            if let End::Honest { connection, .. } = &mut app.end {
                connection.handle_timeout(self.now);
            }
        }
    }

    /// Does what is to be done on the disk; says whether there was something.
    fn store(&mut self) -> bool {
        let has_store = self.collector.has_store();
        while let Some(command) = self.collector.poll_store() {
            match command {
                StoreCommand::Keep { id, .. } => {
                    assert!(self.disk.insert(id));
                    self.collector.handle_stored(self.now, id, Ok(()));
                }
                StoreCommand::Forget { id } => assert!(self.disk.remove(&id)),
            }
        }
        has_store
    }

    /// Carries bytes, events and commands until nothing moves any more; jobs are left alone.
    fn settle(&mut self) {
        for _ in 0..SETTLE_MAX {
            let mut moved = false;
            while let Some((id, command)) = self.collector.poll_command() {
                if let Some(app) = self.apps.get_mut(&id) {
                    app.session.handle_command(self.now, command);
                }
                moved = true;
            }
            for (id, app) in &mut self.apps {
                moved |= app.exchange(self.now);
                let mut events = 0;
                while let Some(event) = app.session.poll_event() {
                    self.collector.handle_session(self.now, *id, event);
                    events += 1;
                }
                assert!(events < 300, "{events} events waited");
                moved |= events > 0;
            }
            moved |= self.store();
            if !moved {
                break;
            }
        }
        while let Some(notice) = self.collector.poll_notice() {
            match notice {
                Notice::PushHeld { .. } => self.stored += 1,
                Notice::PushExpired { .. }
                | Notice::PushEvicted { .. }
                | Notice::PushReplaced { .. } => self.stored -= 1,
                _ => {}
            }
        }
        let collector = &self.collector;
        assert_eq!(collector.held_pushes(), self.stored);
        let on_disk = if self.config.stores_pushes { self.stored } else { 0 };
        assert_eq!(self.disk.len(), on_disk);
        assert!(collector.apps().filter(|app| app.has_push).count() <= self.stored);
        assert!(collector.missed_pushes(self.now) <= self.stored);
        assert!(collector.held_pushes() <= self.config.max_pushes);
        assert!(collector.scrapes() <= self.config.max_scrapes);
        assert!(collector.requests() <= collector.connections());
        assert!(collector.waiting_admissions() + collector.connected() <= collector.connections());
        assert!(collector.waiting_admissions() <= self.config.max_admissions);
        let bound = self.config.max_connections + self.config.max_gone + self.config.max_pushes;
        assert!(collector.entries() <= bound);
        while self.collector.poll_news().is_some() {}
    }

    /// Ends everything, and looks whether anything is left.
    fn finish(mut self) {
        self.advance(Duration::from_secs(10));
        self.settle();
        for nth in 0..self.scrapes.len() {
            self.take(nth);
            assert!(self.scrapes[nth].is_over, "a scrape ends by its deadline");
        }
        while !self.scrapes.is_empty() {
            self.end_scrape(0, true);
        }
        while !self.apps.is_empty() {
            self.cut(0);
        }
        self.jobs.extend(std::iter::from_fn(|| self.collector.poll_job()));
        while !self.jobs.is_empty() {
            self.finish_job(0, false);
        }
        self.settle();
        self.advance(self.config.push_ttl + self.config.grace);
        self.settle();
        let collector = &self.collector;
        assert_eq!(collector.pending_bytes(), 0, "bytes of nothing");
        assert_eq!((collector.scrapes(), collector.connections()), (0, 0));
        assert_eq!((collector.requests(), collector.entries()), (0, 0));
        assert_eq!((collector.connected(), collector.held_pushes()), (0, 0));
        assert_eq!(collector.poll_timeout(), None);
        assert!(!collector.has_jobs());
        assert_eq!((collector.waiting_admissions(), collector.has_admissions()), (0, false));
    }
}

impl App {
    /// Whether anything moved.
    fn exchange(&mut self, now: Instant) -> bool {
        let mut down = BytesMut::new();
        if let End::Honest { connection, .. } = &mut self.end {
            while connection.poll_transmit(now, &mut self.up) {}
        }
        let before = self.up.len();
        self.session.handle_input(now, &mut self.up);
        while self.session.poll_transmit(now, &mut down) {}
        let moved = self.up.len() < before || !down.is_empty();
        let End::Honest { connection, asked, pushes } = &mut self.end else { return moved };
        connection.handle_input(now, &mut down);
        while let Some(event) = connection.poll_event() {
            match event {
                Event::RequestResponse { stream_id, .. } => asked.push_back(stream_id),
                Event::Canceled { stream_id } => asked.retain(|asked| *asked != stream_id),
                Event::Response { stream_id, .. } | Event::RequestFailed { stream_id, .. } => {
                    assert!(pushes.remove(&stream_id), "answered twice");
                }
                Event::StreamViolation { violation, .. } => panic!("ours finds: {violation}"),
                _ => {}
            }
        }
        moved
    }
}

/// No key opens anything: plaintext is spoken here.
struct NoKeys;

impl KeyUnwrap for NoKeys {
    fn unwrap_key(&self, wrapped: &[u8], _: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        Err(UnwrapError { len: wrapped.len(), expected: 0 })
    }

    fn unwrap_content_key(
        &self,
        _: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        self.unwrap_key(wrapped, seed)
    }

    fn public_key(&self) -> Bytes {
        Bytes::new()
    }
}

fn work(job: Job) -> JobDone {
    let mut open = OpenLimits::default();
    open.allow_plaintext = true;
    let identity_labels = ["b".into(), "instance".into()].into();
    let policy = Policy { identity_labels, ..Policy::default() }.into();
    let tools = Tools { keys: &NoKeys, open: &open, policy: &policy, inject: INJECT, seed: SEED };
    job.run(&tools, &mut Scratch::default(), [7; 32])
}

/// With a hello, if there is a label to be said.
fn setup(instance: Option<&str>) -> Setup {
    let Some(instance) = instance else { return Setup::default() };
    let labels = Labels::new([("instance", instance)]).expect("a good label");
    let hello = Hello::new(labels, "fuzz/1");
    let composite = MimeId::COMPOSITE_METADATA.name().expect("a known type");
    let payload = Payload::new(hello.encode(), Bytes::new());
    Setup { metadata_mime: composite.into(), payload, ..Setup::default() }
}

/// Texts that are good, and texts that are not.
fn sealed(input: &mut Input<'_>) -> Payload {
    let texts: [&[u8]; 4] =
        [b"up 1\n", b"{ 1", b"a{b=\"c\"} 2\n", b"# TYPE up gauge\nup{instance=\"a\"} 1 2"];
    match input.below(6) {
        5 => Payload::new(envelope::PLAINTEXT, input.owned()),
        4 => forge::payload(input),
        nth => Payload::new(envelope::PLAINTEXT, texts[nth]),
    }
}

const INJECT: Inject = Inject::Missing;
const SEED: u64 = 1;
const STEPS_MAX: usize = 500;
const SETTLE_MAX: usize = 100;
