//! The proxy's side: sessions, rounds, jobs and pushes of several applications, some of which mean harm.

use crate::forge;
use crate::input::Input;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::collector::{
    AppId, Collector, Config, Form, Job, Notice, Progress, RoundId, Session, Tools,
};
use prometheus_rsocket_protocol::envelope::{self, KeyUnwrap, OpenLimits, SecretKey, UnwrapError};
use prometheus_rsocket_protocol::exposition::{self, Limits};
use prometheus_rsocket_protocol::rsocket::connection::{self, Event};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::world::epoch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// A round ends by its deadline, in the order of ids, nobody comes twice, what is served can be read; one application's bytes
/// never keep another's out; and when all are gone, nothing is left.
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
    apps: BTreeMap<AppId, App>,
    rounds: Vec<Open>,
    jobs: Vec<Job>,
    /// Pushes whose storing was told to the application, less those that are gone since.
    stored: BTreeSet<AppId>,
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

/// A round under way, and whom it has handed out.
struct Open {
    id: RoundId,
    deadline: Instant,
    served: Vec<AppId>,
    is_over: bool,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let mut config = Config::default();
        config.max_apps = 6;
        config.max_rounds = 3;
        config.max_pushes = 3;
        if input.flag() {
            config.max_pending_bytes = 40 + input.below(200);
            config.max_push_bytes = 20 + input.below(100);
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
            rounds: Vec::new(),
            jobs: Vec::new(),
            stored: BTreeSet::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 => self.connect(input.below(4) == 0),
            1 => self.cut(input.below(6)),
            2 => self.start(if input.flag() { Form::Snappy } else { Form::Deflate }),
            3 | 4 => self.answer(input),
            5 => self.push(input),
            6 => self.jobs.extend(self.collector.poll_job()),
            7 | 8 => self.finish_job(input.below(8), input.below(8) == 0),
            9 => self.take(input.below(3)),
            10 => self.end_round(input.below(3), input.flag()),
            11 => self.advance(Duration::from_secs(input.below(15) as u64)),
            _ => self.hear(input),
        }
    }

    fn connect(&mut self, is_hostile: bool) {
        let has_room = self.collector.connections() < self.config.max_apps;
        let added = self.collector.add_app();
        assert_eq!(added.is_ok(), has_room);
        let Ok(id) = added else { return };
        let config = self.connection.clone();
        let session = Session::new(id, config.clone(), Bytes::from_static(b"the key"), self.now);
        let mut up = BytesMut::new();
        let end = match is_hostile {
            true => {
                let setup = Frame::on_connection(Body::Setup(Setup::default()));
                encode_prefixed(&setup, &mut up).expect("a short frame");
                End::Hostile
            }
            false => {
                let connection = Connection::client(config, Setup::default(), self.now);
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
        self.collector.remove_app(now, id);
    }

    fn start(&mut self, form: Form) {
        let deadline = self.now + Duration::from_secs(10);
        let started = self.collector.start_round(self.now, deadline, form);
        assert_eq!(started.is_ok(), self.rounds.len() < self.config.max_rounds);
        if let Ok(id) = started {
            self.rounds.push(Open { id, deadline, served: Vec::new(), is_over: false });
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
        let count = self.rounds.len().max(1);
        let Some(round) = self.rounds.get_mut(nth % count) else { return };
        loop {
            match self.collector.poll_round(round.id) {
                Progress::Section(section) => {
                    assert!(!round.is_over, "nothing follows the end");
                    // What was served can be read by itself, and so beside any other.
                    let text = match section.form {
                        Form::Snappy => envelope::expand(&section.bytes, 1 << 20).expect("ours"),
                        Form::Deflate => section.bytes.clone(),
                    };
                    assert_eq!(text.len(), section.text_len);
                    let checked = exposition::check(text.clone(), &Limits::default());
                    assert_eq!(checked.expect("it was checked").text, text);
                    round.served.push(section.app);
                }
                Progress::Pending => {
                    assert!(self.now < round.deadline, "beyond its deadline");
                    return;
                }
                Progress::Finished(summary) => {
                    assert_eq!(summary.served, round.served.len());
                    assert!(summary.served <= summary.apps);
                    round.is_over = true;
                    break;
                }
            }
        }
        let is_in_order = round.served.windows(2).all(|two| two[0] < two[1]);
        assert!(is_in_order, "not in the order of ids, or twice");
    }

    fn end_round(&mut self, nth: usize, delivered: bool) {
        if !self.rounds.is_empty() {
            let round = self.rounds.swap_remove(nth % self.rounds.len());
            self.collector.end_round(round.id, delivered && round.is_over);
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
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
            if !moved {
                break;
            }
        }
        while let Some(notice) = self.collector.poll_notice() {
            match notice {
                Notice::PushHeld { app, .. } => _ = self.stored.insert(app),
                Notice::PushServed { app } | Notice::PushExpired { app } => {
                    assert!(self.stored.remove(&app), "what was not held");
                }
                _ => {}
            }
        }
        assert_eq!(self.collector.held_pushes(), self.stored.len());
        assert!(self.collector.held_pushes() <= self.config.max_pushes);
        assert!(self.collector.rounds() <= self.config.max_rounds);
        while self.collector.poll_news().is_some() {}
    }

    /// Ends everything, and looks whether anything is left.
    fn finish(mut self) {
        self.advance(Duration::from_secs(10));
        self.settle();
        for nth in 0..self.rounds.len() {
            self.take(nth);
            assert!(self.rounds[nth].is_over, "a round ends by its deadline");
        }
        while !self.rounds.is_empty() {
            self.end_round(0, true);
        }
        while !self.apps.is_empty() {
            self.cut(0);
        }
        self.jobs.extend(std::iter::from_fn(|| self.collector.poll_job()));
        while !self.jobs.is_empty() {
            self.finish_job(0, false);
        }
        self.advance(self.config.push_ttl);
        self.settle();
        let collector = &self.collector;
        assert_eq!(collector.pending_bytes(), 0, "bytes of nothing");
        assert_eq!((collector.rounds(), collector.connections()), (0, 0));
        assert_eq!((collector.connected(), collector.held_pushes()), (0, 0));
        assert_eq!(collector.poll_timeout(), None);
        assert!(!collector.has_jobs());
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

    fn public_key(&self) -> Bytes {
        Bytes::new()
    }
}

fn work(job: Job) -> prometheus_rsocket_protocol::collector::JobDone {
    let mut open = OpenLimits::default();
    open.allow_plaintext = true;
    let deflate = |text: &[u8]| (Bytes::copy_from_slice(text), 0);
    let text = Limits::default();
    job.run(&Tools { keys: &NoKeys, open: &open, text: &text, deflate: &deflate }, [7; 32])
}

/// Texts that are good, and texts that are not.
fn sealed(input: &mut Input<'_>) -> Payload {
    let texts: [&[u8]; 4] =
        [b"up 1\n", b"{ 1", b"a{b=\"c\"} 2 # {} 1\n", b"# TYPE up gauge\nup 1 2"];
    match input.below(6) {
        5 => Payload::new(envelope::PLAINTEXT, input.owned()),
        4 => forge::payload(input),
        nth => Payload::new(envelope::PLAINTEXT, texts[nth]),
    }
}

const STEPS_MAX: usize = 500;
const SETTLE_MAX: usize = 100;
