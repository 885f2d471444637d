mod admitting;
mod delivery;
mod identity;
mod jumps;
mod leaving;
mod looks;
mod pressed;
mod pushes;
mod random;
mod reconfigure;
mod rekey;
mod reports;
mod requests;
mod session;
mod shares;
mod storing;

use super::*;
use crate::envelope::{self, Fingerprint, KeyUnwrap, OpenLimits, Scratch, SecretKey, UnwrapError};
use crate::exposition::{Inject, Policy};
use crate::hello::Hello;
use crate::report::{Report, ReportKind};
use crate::rsocket::connection::{self, CloseReason, Connection, Event};
use crate::rsocket::frame::{ErrorCode, Setup, StreamId};
use crate::{Labels, Machine, Payload};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

/// A collector with applications connected to it in memory, and a clock that moves only on demand.
struct World {
    now: Instant,
    collector: Collector,
    peers: BTreeMap<ConnectionId, Other>,
    notices: Vec<Notice>,
}

/// One application: the proxy's session, and the application's own connection.
struct Other {
    session: Session,
    app: Connection,
    key: Option<Bytes>,
    asked: VecDeque<StreamId>,
    cancelled: Vec<StreamId>,
    reports: Vec<Report>,
    outcomes: Vec<Event>,
}

/// What a scrape handed out for one application: the end of its path, and its text or the reason of its failure.
type Served = (String, Result<String, &'static str>);

impl World {
    fn new(config: Config) -> Self {
        let collector = Collector::new(config);
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
        let now = Instant::now();
        Self { now, collector, peers: BTreeMap::new(), notices: Vec::new() }
    }

    /// Connects an application that sends no hello.
    fn connect(&mut self) -> ConnectionId {
        self.connect_with(Setup::default())
    }

    /// Connects an application with one label.
    fn connect_as(&mut self, instance: &str) -> ConnectionId {
        let hello = Hello::new(labels(&[("instance", instance)]), "test/1");
        self.connect_with(setup(&hello))
    }

    fn connect_with(&mut self, setup: Setup) -> ConnectionId {
        let id = self.collector.accept(self.now, peer()).unwrap();
        let config = connection::Config::default();
        let session = Session::new(id, config.clone(), [4; 32], self.now);
        let app = Connection::client(config, setup, self.now).unwrap();
        let peer = Other {
            session,
            app,
            key: None,
            asked: VecDeque::new(),
            cancelled: Vec::new(),
            reports: Vec::new(),
            outcomes: Vec::new(),
        };
        self.peers.insert(id, peer);
        self.run();
        id
    }

    /// Carries bytes, events and commands until nothing moves; does not run jobs.
    fn run(&mut self) {
        for _ in 0..20 {
            while let Some((id, command)) = self.collector.poll_command() {
                if let Some(peer) = self.peers.get_mut(&id) {
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

    /// Starts a scrape of all applications with a deadline in 10 seconds.
    fn start(&mut self) -> ScrapeId {
        self.start_for(Targets::All)
    }

    fn start_for(&mut self, targets: Targets) -> ScrapeId {
        let deadline = self.now + Duration::from_secs(10);
        let scrape = self
            .collector
            .start_scrape(self.now, deadline, targets, &Scraper::named("a", "x"))
            .unwrap();
        self.run();
        scrape
    }

    fn answer(&mut self, id: ConnectionId, text: &'static str) {
        let peer = self.peers.get_mut(&id).unwrap();
        let stream_id = peer.asked.pop_front().expect("the application was asked");
        peer.app.respond(stream_id, sealed(text)).unwrap();
        self.run();
    }

    fn push(&mut self, id: ConnectionId, text: &'static str) -> StreamId {
        let stream_id = self.peer(id).app.request_response(sealed(text)).unwrap();
        self.run();
        stream_id
    }

    /// Cuts the application's transport.
    fn cut(&mut self, id: ConnectionId) {
        let now = self.now;
        self.peer(id).session.handle_eof(now);
        self.run();
        self.peers.remove(&id);
    }

    fn peer(&mut self, id: ConnectionId) -> &mut Other {
        self.peers.get_mut(&id).unwrap()
    }

    /// The entry of a connection's application.
    fn app(&self, id: ConnectionId) -> &App {
        self.collector.apps().find(|app| app.connection == Some(id)).unwrap()
    }

    /// All that a scrape hands out now, and its totals if it is over.
    fn take(&mut self, scrape: ScrapeId) -> (Vec<Served>, Option<Summary>) {
        let mut served = Vec::new();
        loop {
            match self.collector.poll_scrape(scrape) {
                Progress::Outcome(outcome) => {
                    let result = outcome.result.as_ref().map(text).map_err(ScrapeFailure::reason);
                    served.push((outcome.app.path.to_string(), result));
                }
                Progress::Pending => return (served, None),
                Progress::Finished(summary) => return (served, Some(summary)),
            }
        }
    }

    /// One whole scrape that no application answers: what is available without asking.
    fn scrape_in_vain(&mut self) -> Vec<Served> {
        let scrape = self.start();
        self.advance(Duration::from_secs(10));
        let (served, _) = self.take(scrape);
        self.collector.end_scrape(scrape, true);
        self.run();
        served
    }

    /// Advances the time, stopping at each deadline.
    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(next) = self.collector.poll_timeout().filter(|next| *next < end) {
            self.jump(next - self.now);
        }
        self.jump(end - self.now);
    }

    /// Moves the clock in one step.
    fn jump(&mut self, by: Duration) {
        self.now += by;
        self.collector.handle_timeout(self.now);
        assert!(self.collector.poll_timeout().is_none_or(|next| next > self.now));
        self.run();
    }

    /// The results of counted scrapes that failed.
    fn failures(&self) -> Vec<ScrapeFailure> {
        let failure = |notice: &Notice| match notice {
            Notice::Scraped { result: Err(error), .. } => Some(error.clone()),
            _ => None,
        };
        self.notices.iter().filter_map(failure).collect()
    }

    fn has_notice(&self, is: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(is)
    }
}

impl Other {
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
                Event::Canceled { stream_id } => {
                    self.asked.retain(|asked| *asked != stream_id);
                    self.cancelled.push(stream_id);
                }
                Event::MetadataPush { metadata } => {
                    self.reports.push(Report::decode(metadata).unwrap());
                }
                event => self.outcomes.push(event),
            }
        }
    }
}

/// Opens nothing: these tests use plaintext.
struct NoKeys;

impl KeyUnwrap for NoKeys {
    fn unwrap_key(&self, wrapped: &[u8], _seed: [u8; 32]) -> Result<SecretKey, UnwrapError> {
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

fn work_one(job: Job) -> JobDone {
    let open = OpenLimits { allow_plaintext: true, ..OpenLimits::default() };
    let names = ["application".into(), "instance".into()];
    let policy = Arc::new(Policy { identity_labels: names.into(), ..Policy::default() });
    let tools =
        Tools { keys: &NoKeys, open: &open, policy: &policy, inject: Inject::Missing, seed: 1 };
    job.run(&tools, &mut Scratch::default(), [7; 32])
}

fn peer() -> Peer {
    Peer { address: "[::1]:4711".to_owned(), transport: Transport::Tcp, tls: None }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied()).unwrap()
}

fn setup(hello: &Hello) -> Setup {
    let name = crate::rsocket::metadata::MimeId::COMPOSITE_METADATA.name().unwrap();
    let payload = Payload::new(hello.encode(), Bytes::new());
    Setup { metadata_mime: name.into(), payload, ..Setup::default() }
}

fn text(answer: &Answer) -> String {
    let text = envelope::expand(&answer.block, 1 << 20).unwrap();
    assert_eq!(text.len(), answer.text_len);
    String::from_utf8(text.to_vec()).unwrap()
}

fn sealed(text: &'static str) -> Payload {
    Payload::new(&b"plaintext"[..], text)
}

fn served(path: &str, text: &str) -> Served {
    (path.to_owned(), Ok(text.to_owned()))
}

fn failed(path: &str, reason: &'static str) -> Served {
    (path.to_owned(), Err(reason))
}

fn summary(apps: usize, served: usize, pushes: usize) -> Summary {
    Summary { apps, served, pushes, gone: 0 }
}

#[test]
fn the_key_is_pushed_at_once_on_stream_2() {
    let mut world = World::new(Config { key: "the key".into(), ..Config::default() });
    let id = world.connect();
    assert_eq!(world.peer(id).key.as_deref(), Some(&b"the key"[..]));
    assert_eq!(world.collector.connected(), 1);
    assert!(matches!(world.notices[..], [Notice::Connected { came_back: false, .. }]));
}

#[test]
fn outcomes_come_in_the_order_of_connecting() {
    let mut world = World::new(Config::default());
    let apps = [world.connect_as("c"), world.connect_as("a"), world.connect_as("b")];
    let scrape = world.start();
    world.answer(apps[2], "b 3\n");
    world.answer(apps[0], "c 1\n");
    world.work();
    assert_eq!(world.take(scrape), (vec![served("c", "c 1\n")], None));
    world.answer(apps[1], "a 2\n");
    world.work();
    let (outcomes, over) = world.take(scrape);
    assert_eq!(outcomes, [served("a", "a 2\n"), served("b", "b 3\n")]);
    assert_eq!(over, Some(summary(3, 3, 0)));
    world.collector.end_scrape(scrape, true);
    assert_eq!((world.collector.scrapes(), world.collector.pending_bytes()), (0, 0));
    assert_eq!(world.collector.requests(), 0);
}

#[test]
fn a_hung_application_costs_the_others_nothing_beyond_the_deadline() {
    let mut world = World::new(Config::default());
    let (hung, live) = (world.connect_as("hung"), world.connect_as("live"));
    let scrape = world.start();
    world.answer(live, "live 1\n");
    world.work();
    assert_eq!(world.take(scrape), (vec![], None));
    world.advance(Duration::from_secs(10));
    let (outcomes, over) = world.take(scrape);
    assert_eq!(outcomes, [failed("hung", "timeout"), served("live", "live 1\n")]);
    assert_eq!(over, Some(summary(2, 1, 0)));
    assert_eq!(world.failures(), [ScrapeFailure::TimedOut]);
    assert_eq!(world.peer(hung).cancelled.len(), 1, "it is told not to bother");
}

#[test]
fn an_answer_still_unopened_at_the_deadline_is_not_worked_on() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.answer(app, "a 1\n");
    world.advance(Duration::from_secs(10));
    assert!(world.collector.poll_job().is_none());
    assert_eq!(world.take(scrape), (vec![failed("a", "overloaded")], Some(summary(1, 0, 0))));
    assert_eq!((world.collector.pending_bytes(), world.collector.requests()), (0, 0));
}

#[test]
fn rubbish_and_errors_cost_only_their_sender() {
    let mut world = World::new(Config::default());
    let rubbish = world.connect_as("rubbish");
    let failing = world.connect_as("failing");
    let (empty, live) = (world.connect_as("empty"), world.connect_as("live"));
    let scrape = world.start();
    world.answer(rubbish, "this is { not metrics\n");
    let stream_id = world.peer(failing).asked.pop_front().unwrap();
    world.peer(failing).app.reject(stream_id, ErrorCode::APPLICATION_ERROR, "boom").unwrap();
    let stream_id = world.peer(empty).asked.pop_front().unwrap();
    world.peer(empty).app.complete(stream_id).unwrap();
    world.answer(live, "live 1\n");
    world.work();
    let (outcomes, over) = world.take(scrape);
    let expected = [
        failed("rubbish", "exposition"),
        failed("failing", "refused"),
        failed("empty", "empty"),
        served("live", "live 1\n"),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(over, Some(summary(4, 1, 0)));
    assert_eq!(world.failures().len(), 3);
}

#[test]
fn a_scrape_of_some_tells_of_each_that_it_names() {
    let mut world = World::new(Config::default());
    let (gone, live) = (world.connect_as("gone"), world.connect_as("live"));
    let other = world.connect_as("other");
    world.collector.accept(world.now, peer()).unwrap();
    let ids: Vec<AppId> = world.collector.apps().map(|app| app.id).collect();
    world.cut(gone);
    let unknown = AppId(99);
    let targets = Targets::Some(vec![unknown, ids[3], ids[1], ids[0], ids[1]]);
    let scrape = world.start_for(targets);
    assert_eq!(world.peer(other).asked.len(), 0);
    world.answer(live, "live 1\n");
    world.work();
    let (outcomes, over) = world.take(scrape);
    let expected = [
        failed("gone", "gone"),
        served("live", "live 1\n"),
        failed("connection-4", "connecting"),
        failed("", "unknown"),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(over, Some(Summary { gone: 1, ..summary(4, 1, 0) }));
    assert!(!over.unwrap().is_complete());
}

#[test]
fn limits_of_connections_scrapes_and_bytes_hold() {
    let config =
        Config { max_connections: 1, max_scrapes: 1, max_pending_bytes: 16, ..Config::default() };
    let mut world = World::new(config);
    let app = world.connect_as("a");
    assert_eq!(world.collector.accept(world.now, peer()), Err(TooManyApps { limit: 1 }));
    let scrape = world.start();
    let again =
        world.collector.start_scrape(world.now, world.now, Targets::All, &Scraper::named("a", "x"));
    assert_eq!(again, Err(TooManyScrapes { limit: 1 }));
    world.answer(app, "a_metric_with_a_long_name 1\n");
    assert_eq!(world.failures(), [ScrapeFailure::Overloaded]);
    world.collector.end_scrape(scrape, false);
}

#[test]
fn a_session_dropped_without_a_word_fails_its_scrapes() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.collector.remove(world.now, app);
    world.run();
    assert_eq!(world.take(scrape), (vec![failed("a", "closed")], Some(summary(1, 0, 0))));
    world.collector.remove(world.now, app);
    assert_eq!((world.collector.connections(), world.collector.entries()), (0, 1));
}

#[test]
fn a_lost_worker_fails_one_application() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.answer(app, "a 1\n");
    let lost = world.collector.poll_job().unwrap().ticket().lost();
    world.collector.handle_job(world.now, lost);
    world.run();
    assert_eq!(world.take(scrape), (vec![failed("a", "worker")], Some(summary(1, 0, 0))));
    assert_eq!(world.collector.pending_bytes(), 0);
}

#[test]
fn a_failure_is_told_once_until_its_reason_changes_and_counted_each_time() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    for answer in [None, None, Some("no { metrics\n"), None, Some("a 1\n"), Some("a 2\n")] {
        let scrape = world.start();
        if let Some(text) = answer {
            world.answer(app, text);
            world.work();
        }
        world.advance(Duration::from_secs(10));
        world.collector.end_scrape(scrape, true);
        world.run();
    }
    let told = world.notices.iter().filter_map(|notice| match notice {
        Notice::ScrapeFailing { failure, .. } => Some(failure.reason()),
        Notice::Recovered { .. } => Some("recovered"),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["timeout", "exposition", "timeout", "recovered"]);
    let is_scraped = |notice: &&Notice| matches!(notice, Notice::Scraped { .. });
    assert_eq!(world.notices.iter().filter(is_scraped).count(), 6);
    let last = world.app(app).last_scrape.clone().unwrap();
    assert_eq!((last.bytes, last.samples, last.error), (4, 1, None));
}

#[test]
fn every_reason_is_in_the_list() {
    let mut sorted = ScrapeFailure::REASONS;
    sorted.sort_unstable();
    assert_eq!(sorted, ScrapeFailure::REASONS);
    let failures = [
        ScrapeFailure::Closed,
        ScrapeFailure::Connecting,
        ScrapeFailure::Empty,
        ScrapeFailure::Gone,
        ScrapeFailure::Job(JobError::Worker),
        ScrapeFailure::Job(JobError::Open(envelope::OpenError::NoMetadata)),
        ScrapeFailure::Job(JobError::Open(envelope::OpenError::TooLong { len: 2, limit: 1 })),
        ScrapeFailure::NotAsked(String::new()),
        ScrapeFailure::Overloaded,
        ScrapeFailure::Refused(connection::StreamFailure::Closed),
        ScrapeFailure::TimedOut,
        ScrapeFailure::Unknown,
    ];
    for failure in failures {
        assert!(ScrapeFailure::REASONS.contains(&failure.reason()), "{failure}");
    }
}
