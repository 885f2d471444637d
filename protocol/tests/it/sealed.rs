//! An application's agent and a proxy's collector, from the bytes of one to those of the other, in version 2 of the envelope.

use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::agent::{self, Action, Agent, ProxyRefusal, PushId};
use prometheus_rsocket_protocol::collector::{
    self, Collector, ConnectionId, Job, JobDone, Notice, Peer, Progress, ScrapeId, Scraper,
    Session, Targets, Tools, Transport, TurnedAway,
};
use prometheus_rsocket_protocol::envelope::{
    Fingerprint, KeyUnwrap, OpenLimits, RsaKeyPair, Scratch, SecretKey, UnwrapError,
};
use prometheus_rsocket_protocol::exposition::Inject;
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::rsocket::connection;
use prometheus_rsocket_protocol::rsocket::metadata::MimeId;
use prometheus_rsocket_protocol::{Labels, Machine};
use prometheus_rsocket_testkit::vectors;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The proxy's key, which counts what it is used for.
struct Keys {
    keys: RsaKeyPair,
    v1: AtomicUsize,
    v2: AtomicUsize,
}

impl KeyUnwrap for Keys {
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        self.v1.fetch_add(1, Ordering::Relaxed);
        self.keys.unwrap_key(wrapped, seed)
    }

    fn unwrap_content_key(
        &self,
        under: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        self.v2.fetch_add(1, Ordering::Relaxed);
        self.keys.unwrap_content_key(under, wrapped, seed)
    }

    fn public_key(&self) -> Bytes {
        self.keys.public_key()
    }
}

struct World {
    now: Instant,
    agent: Agent,
    collector: Collector,
    session: Option<(ConnectionId, Session)>,
    keys: Keys,
    /// What the metrics are.
    text: &'static str,
    /// How often they were asked for.
    asked: usize,
    /// Different for each job.
    seed: u8,
    events: Vec<agent::Event>,
    notices: Vec<Notice>,
    /// Whether what the proxy says is lost.
    is_deaf: bool,
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl World {
    fn new(agent: agent::Config, collector: collector::Config) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
        let now = Instant::now();
        let keys = RsaKeyPair::from_pkcs8_der(vectors::RSA2048).unwrap();
        let (v1, v2) = Default::default();
        Self {
            now,
            agent: Agent::new(agent, 7, now),
            collector: Collector::new(collector),
            session: None,
            keys: Keys { keys, v1, v2 },
            text: "up_to 1\n",
            asked: 0,
            seed: 0,
            events: Vec::new(),
            notices: Vec::new(),
            is_deaf: false,
        }
    }

    fn connected() -> Self {
        let mut world = Self::new(agent_config(true), collector_config());
        world.connect();
        assert!(world.agent.is_ready());
        world
    }

    fn connect(&mut self) {
        while let Action::Wait(until) = self.agent.poll_action(self.now) {
            self.now = until;
        }
        assert_eq!(self.agent.poll_action(self.now), Action::Connect { proxy: 0 });
        self.agent.handle_connected(self.now);
        let peer =
            Peer { address: "192.0.2.1:4711".to_owned(), transport: Transport::Tcp, tls: None };
        let id = self.collector.accept(self.now, peer).unwrap();
        let seed = [self.seed; 32];
        let session = Session::new(id, connection::Config::default(), seed, self.now);
        self.session = Some((id, session));
        self.run();
    }

    fn cut(&mut self) {
        if let Some((id, _)) = self.session.take() {
            self.collector.remove(self.now, id);
        }
        self.agent.handle_eof(self.now);
        self.run();
    }

    /// Carries all that there is to be carried, and does all jobs.
    fn run(&mut self) {
        for _ in 0..20 {
            self.run_agent();
            if let Some((id, session)) = &mut self.session {
                let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
                while self.agent.poll_transmit(self.now, &mut up) {}
                session.handle_input(self.now, &mut up);
                while let Some(event) = session.poll_event() {
                    self.collector.handle_session(self.now, *id, event);
                }
                while session.poll_transmit(self.now, &mut down) {}
                if !self.is_deaf {
                    self.agent.handle_input(self.now, &mut down);
                }
            }
            while let Some((to, command)) = self.collector.poll_command() {
                if let Some((_, session)) = self.session.as_mut().filter(|(id, _)| *id == to) {
                    session.handle_command(self.now, command);
                }
            }
            while let Some(job) = self.collector.poll_job() {
                let done = self.work(job);
                self.collector.handle_job(self.now, done);
            }
            self.notices.extend(std::iter::from_fn(|| self.collector.poll_notice()));
        }
    }

    fn run_agent(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            let job = match &event {
                agent::Event::MetricsWanted { ticket } => {
                    self.asked += 1;
                    self.agent.answer(self.now, *ticket, Ok(self.text.into()))
                }
                agent::Event::SealWanted { ticket } => self.agent.seal_again(self.now, *ticket),
                _ => None,
            };
            if let Some(job) = job {
                let sealed = job.run(self.fresh());
                self.agent.handle_sealed(self.now, sealed);
            }
            self.events.push(event);
        }
    }

    fn work(&mut self, job: Job) -> JobDone {
        let (open, policy) = (OpenLimits::default(), Arc::default());
        let seed = self.fresh();
        let tools = Tools {
            keys: &self.keys,
            open: &open,
            policy: &policy,
            inject: Inject::default(),
            seed: 1,
        };
        job.run(&tools, &mut Scratch::default(), seed)
    }

    fn fresh(&mut self) -> [u8; 32] {
        self.seed += 1;
        [self.seed; 32]
    }

    fn start(&mut self) -> ScrapeId {
        let scraper = Scraper::named("prometheus", "192.0.2.2");
        let deadline = self.now + 10 * SECOND;
        self.collector.start_scrape(self.now, deadline, Targets::All, &scraper).unwrap()
    }

    /// Scrapes: the text, or the reason of the failure, for each application.
    fn scrape(&mut self) -> Vec<Result<String, &'static str>> {
        let scrape = self.start();
        self.run();
        let mut outcomes = Vec::new();
        while let Progress::Outcome(outcome) = self.collector.poll_scrape(scrape) {
            outcomes.push(match &outcome.result {
                Ok(answer) => {
                    let mut scratch = Scratch::default();
                    let text = scratch.expand(&answer.block, 1000).unwrap();
                    Ok(String::from_utf8(text.to_vec()).unwrap())
                }
                Err(failure) => Err(failure.reason()),
            });
        }
        self.collector.end_scrape(scrape, true);
        self.run();
        outcomes
    }

    /// How often RSA was computed, in version 1 and in version 2.
    fn unwraps(&self) -> (usize, usize) {
        (self.keys.v1.load(Ordering::Relaxed), self.keys.v2.load(Ordering::Relaxed))
    }

    fn pushed(&self) -> Vec<(PushId, bool)> {
        let pushed = |event: &agent::Event| match event {
            agent::Event::Pushed { push, result, .. } => Some((*push, result.is_ok())),
            _ => None,
        };
        self.events.iter().filter_map(pushed).collect()
    }
}

pub(crate) fn agent_config(seals_v2: bool) -> agent::Config {
    let mut config = agent::Config::default();
    let labels = Labels::new([("instance", "a")]).unwrap();
    let mut hello = Hello::new(labels, "test/1");
    hello.seals_v2 = seals_v2;
    config.setup.metadata_mime = MimeId::COMPOSITE_METADATA.name().unwrap().as_bytes().into();
    config.setup.payload.metadata = Some(hello.encode());
    config
}

pub(crate) fn collector_config() -> collector::Config {
    let mut config = collector::Config::default();
    config.key = vectors::RSA2048_PUBLIC.into();
    config
}

fn served(text: &str) -> Vec<Result<String, &'static str>> {
    vec![Ok(text.to_owned())]
}

#[test]
fn rsa_is_computed_once_for_each_connection() {
    let mut world = World::connected();
    for _ in 0..3 {
        assert_eq!(world.scrape(), served("up_to 1\n"));
    }
    assert_eq!(world.unwraps(), (0, 1));
    world.agent.push(world.now).unwrap();
    world.run();
    assert_eq!(world.pushed().len(), 1);
    assert_eq!(world.unwraps(), (0, 1));
    world.cut();
    world.connect();
    assert_eq!(world.scrape(), served("up_to 1\n"));
    assert_eq!(world.unwraps(), (0, 2));
}

#[test]
fn who_knows_version_1_alone_is_sealed_in_it() {
    for seals_v2 in [true, false] {
        let mut world = World::new(agent_config(seals_v2), collector_config());
        world.connect();
        assert_eq!(world.scrape(), served("up_to 1\n"));
        assert_eq!(world.unwraps(), if seals_v2 { (0, 1) } else { (1, 0) });
    }
    // A proxy without a key offers nothing.
    let mut world = World::new(agent_config(true), collector::Config::default());
    world.connect();
    assert_eq!(world.scrape(), [Err("decrypt")], "plaintext, which this one does not open");
    assert_eq!(world.unwraps(), (0, 0));
}

/// A proxy of this project that is one version back, or the original, sends no offer.
#[test]
fn a_client_that_requires_version_2_leaves_a_proxy_that_does_not_offer_it() {
    let mut config = agent_config(false);
    config.min_envelope = 2;
    let mut world = World::new(config, collector_config());
    world.connect();
    let refused = agent::Event::ProxyRefused { reason: ProxyRefusal::Envelope };
    assert!(world.events.contains(&refused), "{:?}", world.events);
    assert!(!world.agent.is_ready());
    assert_eq!((world.asked, world.unwraps()), (0, (0, 0)));
    assert!(matches!(world.agent.poll_action(world.now), Action::Wait(_)));
}

#[test]
fn a_proxy_that_requires_version_2_turns_others_away() {
    let mut config = collector_config();
    config.min_envelope = 2;
    let mut world = World::new(agent_config(false), config.clone());
    world.connect();
    let is_turned_away =
        |notice: &Notice| matches!(notice, Notice::TurnedAway { reason: TurnedAway::Envelope, .. });
    assert!(world.notices.iter().any(is_turned_away), "{:?}", world.notices);
    assert!(!world.agent.is_ready());
    assert_eq!(world.scrape(), []);
    let reason = TurnedAway::Envelope.to_string();
    let is_told = |event: &agent::Event| match event {
        agent::Event::Disconnected { reason: told, .. } => told.to_string().contains(&reason),
        _ => false,
    };
    assert!(world.events.iter().any(is_told), "{:?}", world.events);
    let mut world = World::new(agent_config(true), config);
    world.connect();
    assert_eq!(world.scrape(), served("up_to 1\n"));
}

/// The acknowledgement is lost with its connection. The same metrics come again, sealed anew, and are held once.
#[test]
fn a_push_that_comes_again_on_another_connection_is_held_once() {
    let mut world = World::connected();
    world.is_deaf = true;
    let push = world.agent.push(world.now).unwrap();
    world.run();
    assert_eq!((world.collector.held_pushes(), world.pushed()), (1, vec![]));
    world.is_deaf = false;
    world.text = "up_to 2\n";
    world.cut();
    world.connect();
    assert_eq!(world.pushed(), [(push, true)]);
    assert_eq!((world.collector.held_pushes(), world.asked), (1, 1));
    let is_repeated = |notice: &Notice| matches!(notice, Notice::PushRepeated { .. });
    assert_eq!(world.notices.iter().filter(|notice| is_repeated(notice)).count(), 1);
    // The next one is another push, although its text is the same.
    world.text = "up_to 1\n";
    world.agent.push(world.now).unwrap();
    world.run();
    assert_eq!(world.notices.iter().filter(|notice| is_repeated(notice)).count(), 1);
}

/// Half a day is the age at which a content key is given up; here, the proxy hears of the new one within the scrape.
#[test]
fn a_content_key_that_is_too_old_is_replaced() {
    let mut world = World::connected();
    assert_eq!(world.scrape(), served("up_to 1\n"));
    // Not so long that the connection counts as dead: the clock jumps, and input follows.
    world.now += 13 * 3600 * SECOND;
    assert_eq!(world.scrape(), served("up_to 1\n"));
    assert_eq!(world.unwraps(), (0, 2));
    assert_eq!(world.scrape(), served("up_to 1\n"));
    assert_eq!(world.unwraps(), (0, 2));
}
