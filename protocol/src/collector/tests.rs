mod random;
mod session;

use super::*;
use crate::envelope::{self, KeyUnwrap, OpenLimits, SecretKey, UnwrapError};
use crate::rsocket::connection::{self, Connection, Event};
use crate::rsocket::frame::{ErrorCode, Setup};
use crate::{Machine, Payload, exposition};
use bytes::BytesMut;
use std::time::Duration;

/// A collector with applications that are connected to it in memory, at a time that stands still until it is moved.
struct World {
    now: Instant,
    collector: Collector,
    peers: BTreeMap<AppId, Peer>,
    notices: Vec<Notice>,
}

/// One application: the proxy's session, and the application's own connection.
struct Peer {
    session: Session,
    app: Connection,
    key: Option<Bytes>,
    asked: VecDeque<StreamId>,
    cancelled: Vec<StreamId>,
    outcomes: Vec<Event>,
}

impl World {
    fn new(config: Config) -> Self {
        let collector = Collector::new(config);
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
        let now = Instant::now();
        Self { now, collector, peers: BTreeMap::new(), notices: Vec::new() }
    }

    fn connect(&mut self) -> AppId {
        let id = self.collector.add_app().unwrap();
        let config = connection::Config::default();
        let session = Session::new(id, config.clone(), Bytes::from_static(b"the key"), self.now);
        let app = Connection::client(config, Setup::default(), self.now).unwrap();
        let peer = Peer {
            session,
            app,
            key: None,
            asked: VecDeque::new(),
            cancelled: Vec::new(),
            outcomes: Vec::new(),
        };
        self.peers.insert(id, peer);
        self.run();
        id
    }

    /// Carries bytes, events and commands until nothing moves any more; jobs are left alone.
    fn run(&mut self) {
        for _ in 0..20 {
            while let Some((app, command)) = self.collector.poll_command() {
                if let Some(peer) = self.peers.get_mut(&app) {
                    peer.session.handle_command(self.now, command);
                }
            }
            for (id, peer) in &mut self.peers {
                peer.exchange(self.now);
                while let Some(event) = peer.session.poll_event() {
                    self.collector.handle_session(self.now, *id, event);
                }
            }
        }
        self.notices.extend(std::iter::from_fn(|| self.collector.poll_notice()));
    }

    fn work(&mut self) {
        while let Some(job) = self.collector.poll_job() {
            self.collector.handle_job(self.now, work_one(job));
        }
        self.run();
    }

    fn start(&mut self) -> RoundId {
        let deadline = self.now + Duration::from_secs(10);
        let round = self.collector.start_round(self.now, deadline, Form::Snappy).unwrap();
        self.run();
        round
    }

    fn answer(&mut self, app: AppId, text: &'static str) {
        let peer = self.peers.get_mut(&app).unwrap();
        let stream_id = peer.asked.pop_front().expect("the application was asked");
        peer.app.respond(stream_id, sealed(text)).unwrap();
        self.run();
    }

    fn push(&mut self, app: AppId, text: &'static str) -> StreamId {
        let stream_id = self.peer(app).app.request_response(sealed(text)).unwrap();
        self.run();
        stream_id
    }

    /// The application's transport is gone, without a word.
    fn cut(&mut self, app: AppId) {
        let now = self.now;
        self.peer(app).session.handle_eof(now);
        self.run();
        self.peers.remove(&app);
    }

    fn peer(&mut self, app: AppId) -> &mut Peer {
        self.peers.get_mut(&app).unwrap()
    }

    /// All that a round hands out now, and whether it is over.
    fn take(&mut self, round: RoundId) -> (Vec<String>, Option<Summary>) {
        let mut texts = Vec::new();
        loop {
            match self.collector.poll_round(round) {
                Progress::Section(section) => {
                    let text = envelope::expand(&section.bytes, 1 << 20).unwrap();
                    texts.push(String::from_utf8(text.to_vec()).unwrap());
                }
                Progress::Pending => return (texts, None),
                Progress::Finished(summary) => return (texts, Some(summary)),
            }
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.collector.handle_timeout(self.now);
        assert!(self.collector.poll_timeout().is_none_or(|next| next > self.now));
        self.run();
    }

    fn failures(&self) -> Vec<(AppId, ScrapeFailure)> {
        let failure = |notice: &Notice| match notice {
            Notice::Scraped { app, result: Err(error), .. } => Some((*app, error.clone())),
            _ => None,
        };
        self.notices.iter().filter_map(failure).collect()
    }
}

impl Peer {
    fn exchange(&mut self, now: Instant) {
        let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
        while self.app.poll_transmit(now, &mut up) {}
        self.session.handle_input(now, &mut up);
        while self.session.poll_transmit(now, &mut down) {}
        self.app.handle_input(now, &mut down);
        while let Some(event) = self.app.poll_event() {
            match event {
                Event::FireAndForget { payload, .. } => self.key = Some(payload.data),
                Event::RequestResponse { stream_id, .. } => self.asked.push_back(stream_id),
                Event::Canceled { stream_id } => self.cancelled.push(stream_id),
                event => self.outcomes.push(event),
            }
        }
    }
}

/// No key opens anything: these tests speak plaintext.
struct NoKeys;

impl KeyUnwrap for NoKeys {
    fn unwrap_key(&self, wrapped: &[u8], _seed: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        Err(UnwrapError { len: wrapped.len(), expected: 0 })
    }

    fn public_key(&self) -> Bytes {
        Bytes::new()
    }
}

fn work_one(job: Job) -> JobDone {
    let open = OpenLimits { allow_plaintext: true, ..OpenLimits::default() };
    let text = exposition::Limits::default();
    let deflate = |text: &[u8]| (Bytes::copy_from_slice(text), 0);
    job.run(&Tools { keys: &NoKeys, open: &open, text: &text, deflate: &deflate }, [7; 32])
}

fn sealed(text: &'static str) -> Payload {
    Payload::new(&b"plaintext"[..], text)
}

#[test]
fn the_key_is_pushed_at_once_on_stream_2() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    assert_eq!(world.peer(app).key.as_deref(), Some(&b"the key"[..]));
    assert_eq!(world.collector.connected(), 1);
    assert_eq!(world.notices, [Notice::Connected { app }]);
}

#[test]
fn a_round_hands_answers_out_in_the_order_of_connecting() {
    let mut world = World::new(Config::default());
    let apps = [world.connect(), world.connect(), world.connect()];
    let round = world.start();
    world.answer(apps[2], "c 3\n");
    world.answer(apps[0], "a 1\n");
    world.work();
    assert_eq!(world.take(round), (vec!["a 1\n".to_owned()], None));
    world.answer(apps[1], "b 2\n");
    world.work();
    let (texts, summary) = world.take(round);
    assert_eq!(texts, ["b 2\n", "c 3\n"]);
    assert_eq!(summary, Some(Summary { apps: 3, served: 3 }));
    world.collector.end_round(round, true);
    assert_eq!((world.collector.rounds(), world.collector.pending_bytes()), (0, 0));
}

#[test]
fn a_hung_application_costs_the_others_nothing_beyond_the_deadline() {
    let mut world = World::new(Config::default());
    let (hung, live) = (world.connect(), world.connect());
    let round = world.start();
    world.answer(live, "live 1\n");
    world.work();
    assert_eq!(world.take(round), (vec![], None));
    world.advance(Duration::from_secs(10));
    let (texts, summary) = world.take(round);
    assert_eq!(texts, ["live 1\n"]);
    assert_eq!(summary, Some(Summary { apps: 2, served: 1 }));
    assert_eq!(world.failures(), [(hung, ScrapeFailure::TimedOut)]);
    assert_eq!(world.peer(hung).cancelled.len(), 1, "it is told not to bother");
}

#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    let round = world.start();
    let stream_id = world.peer(app).asked[0];
    world.collector.handle_timeout(world.now + Duration::from_secs(10));
    // It answers before it hears of the cancellation.
    world.peer(app).app.respond(stream_id, sealed("late 1\n")).unwrap();
    world.run();
    world.work();
    assert_eq!(world.take(round).0, Vec::<String>::new());
    assert_eq!(world.collector.pending_bytes(), 0);
}

#[test]
fn an_answer_still_unopened_at_the_deadline_is_not_worked_on() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    let round = world.start();
    world.answer(app, "a 1\n");
    world.advance(Duration::from_secs(10));
    assert!(world.collector.poll_job().is_none());
    assert_eq!(world.failures(), [(app, ScrapeFailure::Overloaded)]);
    assert_eq!(world.take(round).1, Some(Summary { apps: 1, served: 0 }));
    assert_eq!(world.collector.pending_bytes(), 0);
}

#[test]
fn rubbish_and_errors_cost_only_their_sender() {
    let mut world = World::new(Config::default());
    let (rubbish, failing, empty, live) =
        (world.connect(), world.connect(), world.connect(), world.connect());
    let round = world.start();
    world.answer(rubbish, "this is { not metrics\n");
    let stream_id = world.peer(failing).asked.pop_front().unwrap();
    world.peer(failing).app.reject(stream_id, ErrorCode::APPLICATION_ERROR, "boom").unwrap();
    let stream_id = world.peer(empty).asked.pop_front().unwrap();
    world.peer(empty).app.complete(stream_id).unwrap();
    world.answer(live, "live 1\n");
    world.work();
    let (texts, summary) = world.take(round);
    assert_eq!(texts, ["live 1\n"]);
    assert_eq!(summary, Some(Summary { apps: 4, served: 1 }));
    let mut failures = world.failures();
    failures.sort_by_key(|(app, _)| *app);
    assert!(
        matches!(&failures[0], (app, ScrapeFailure::Job(JobError::Exposition(_))) if *app == rubbish)
    );
    assert!(matches!(&failures[1], (app, ScrapeFailure::Refused(_)) if *app == failing));
    assert_eq!(failures[2], (empty, ScrapeFailure::Empty));
}

#[test]
fn a_push_is_acknowledged_once_it_is_stored_and_served_to_the_next_scrape_alone() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    let stream_id = world.push(app, "last 9\n");
    assert_eq!(world.peer(app).outcomes, [], "not opened yet, so not stored");
    world.work();
    let acknowledged = Event::Response { stream_id, payload: Some(Payload::default()) };
    assert_eq!(world.peer(app).outcomes, [acknowledged]);
    world.cut(app);
    assert_eq!(world.collector.held_pushes(), 1);

    let round = world.start();
    world.work();
    assert_eq!(world.take(round).0, ["last 9\n"]);
    world.collector.end_round(round, true);
    let round = world.start();
    assert_eq!(world.take(round), (vec![], Some(Summary::default())));
}

#[test]
fn a_push_that_did_not_reach_the_scraper_is_served_again() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    world.push(app, "last 9\n");
    world.work();
    world.cut(app);
    for delivered in [false, true] {
        let round = world.start();
        world.work();
        assert_eq!(world.take(round).0, ["last 9\n"]);
        world.collector.end_round(round, delivered);
    }
    assert_eq!(world.collector.held_pushes(), 0);
}

#[test]
fn a_push_stands_in_for_an_application_that_goes_while_it_is_asked() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    let round = world.start();
    world.push(app, "last 9\n");
    world.cut(app);
    // Not opened yet: the round waits for it.
    assert_eq!(world.take(round), (vec![], None));
    world.work();
    world.work();
    assert_eq!(
        world.take(round),
        (vec!["last 9\n".to_owned()], Some(Summary { apps: 1, served: 1 }))
    );
    assert_eq!(world.failures(), []);
}

#[test]
fn while_an_application_answers_its_push_waits() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    world.push(app, "last 9\n");
    world.work();
    let round = world.start();
    world.answer(app, "live 1\n");
    world.work();
    assert_eq!(world.take(round).0, ["live 1\n"]);
    world.collector.end_round(round, true);
    assert_eq!(world.collector.held_pushes(), 1);
}

#[test]
fn a_push_that_cannot_be_opened_is_refused_without_saying_at_which_step() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    world.push(app, "not { metrics\n");
    world.work();
    let [Event::RequestFailed { error, .. }] = &world.peer(app).outcomes[..] else {
        panic!("the push is refused");
    };
    assert!(error.to_string().ends_with("the push is not stored: it cannot be opened or read"));
    assert_eq!(world.collector.held_pushes(), 0);
}

#[test]
fn pushes_have_a_time_and_a_number_to_live_by() {
    let config = Config { max_pushes: 1, ..Config::default() };
    let mut world = World::new(config.clone());
    let (first, second) = (world.connect(), world.connect());
    world.push(first, "first 1\n");
    world.work();
    world.push(second, "second 1\n");
    assert!(matches!(&world.peer(second).outcomes[..], [Event::RequestFailed { .. }]));
    world.cut(first);
    world.advance(config.push_ttl);
    assert_eq!(world.collector.held_pushes(), 0);
    assert!(world.notices.contains(&Notice::PushExpired { app: first }));
}

#[test]
fn limits_of_applications_rounds_and_bytes_hold() {
    let config = Config { max_apps: 1, max_rounds: 1, max_pending_bytes: 16, ..Config::default() };
    let mut world = World::new(config);
    let app = world.connect();
    assert_eq!(world.collector.add_app(), Err(TooManyApps { limit: 1 }));
    let round = world.start();
    let again = world.collector.start_round(world.now, world.now, Form::Snappy);
    assert_eq!(again, Err(TooManyRounds { limit: 1 }));
    world.answer(app, "a_metric_with_a_long_name 1\n");
    assert_eq!(world.failures(), [(app, ScrapeFailure::Overloaded)]);
    world.collector.end_round(round, false);
}

#[test]
fn a_session_dropped_without_a_word_fails_its_scrapes() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    let round = world.start();
    world.collector.remove_app(world.now, app);
    world.run();
    assert_eq!(world.take(round).1, Some(Summary { apps: 1, served: 0 }));
    assert_eq!(world.failures(), [(app, ScrapeFailure::Closed)]);
    world.collector.remove_app(world.now, app);
    assert_eq!(world.collector.connections(), 0);
}

#[test]
fn a_lost_worker_fails_one_application() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    let round = world.start();
    world.answer(app, "a 1\n");
    let lost = world.collector.poll_job().unwrap().ticket().lost();
    world.collector.handle_job(world.now, lost);
    world.run();
    assert_eq!(world.failures(), [(app, ScrapeFailure::Job(JobError::Worker))]);
    assert_eq!(world.take(round).1, Some(Summary { apps: 1, served: 0 }));
    assert_eq!(world.collector.pending_bytes(), 0);
}

#[test]
fn a_scraper_that_goes_has_the_applications_told() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    let round = world.start();
    world.collector.end_round(round, false);
    world.run();
    assert_eq!(world.peer(app).cancelled.len(), 1);
    assert_eq!(world.collector.poll_timeout(), None);
}
