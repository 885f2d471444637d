use super::*;
use crate::observe::telemetry::Telemetry;
use crate::service::inbox::Inbox;
use crate::service::memory::Shares;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::collector::{
    AppId, Collector, Config, ConnectionId, Peer, Progress, ScrapeId, Scraper, SessionCommand,
    SessionEvent, Targets, Transport,
};
use prometheus_rsocket_protocol::hello::Hello;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// A hub with connections that answer when they are told to, and no workers.
struct World {
    hub: Hub,
    start: Instant,
    connections: Vec<(ConnectionId, Arc<Inbox>)>,
}

impl World {
    fn new(connections: usize) -> Self {
        Self::with_room(connections, Config::default().max_pending_bytes)
    }

    /// Returns a world with `bytes` bytes for answers.
    fn with_room(connections: usize, bytes: usize) -> Self {
        let telemetry = Arc::new(Telemetry::new("test", "none", None));
        let mut config = Config::default();
        config.max_pending_bytes = bytes;
        let hub = Hub::new(Collector::new(config), telemetry, &Shares::of(192 << 20));
        let start = Instant::now();
        let connect = |_| {
            let peer = Peer { address: "[::1]:1".to_owned(), transport: Transport::Tcp, tls: None };
            let (connection, inbox) = hub.accept(start, peer).unwrap();
            hub.handle_session(
                start,
                connection,
                SessionEvent::Connected { hello: Ok(Hello::default()), token: Ok(None) },
            );
            let key = inbox.poll_next(&Context::from_waker(Waker::noop()));
            assert!(matches!(key, Poll::Ready(SessionCommand::Key { .. })));
            (connection, inbox)
        };
        let connections = (0..connections).map(connect).collect();
        Self { hub, start, connections }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// Scrapes one application until second `until`. It answers immediately with `bytes` bytes.
    fn scrape(&self, number: usize, until: u64, bytes: usize) -> ScrapeId {
        let apps: Vec<AppId> = self.hub.targets(self.start, |app| app.id);
        let targets = Targets::Some(vec![apps[number]]);
        let scraper = Scraper::named("a", "x");
        let started = self.hub.start_scrape(self.start, self.at(until), targets, &scraper);
        self.answer(number, bytes);
        started.unwrap().0
    }

    /// Makes an application that was asked answer with `bytes` bytes.
    fn answer(&self, number: usize, bytes: usize) {
        let (connection, inbox) = &self.connections[number];
        let Poll::Ready(SessionCommand::Scrape { request, .. }) =
            inbox.poll_next(&Context::from_waker(Waker::noop()))
        else {
            panic!("it is asked");
        };
        let payload = Some(Payload::new("plaintext", vec![b'#'; bytes]));
        self.hub.handle_session(
            self.start,
            *connection,
            SessionEvent::Answered { request, payload, binding: None },
        );
    }

    /// Takes the job that a worker with this much memory left would begin. Returns its estimated text length, and its memory.
    fn take(&self, second: u64, memory: &Arc<TextMemory>) -> Result<(usize, Texts), NoJob> {
        let limits = OpenLimits::default();
        let take = |job: &Job| memory.try_take(job.text_estimate(&limits));
        let (job, texts) = self.hub.take_job(self.at(second), take)?;
        Ok((job.text_estimate(&limits), texts))
    }
}

/// The estimated length of a text, per byte of its answer.
const EXPANSION: usize = 22;

#[test]
fn no_less_urgent_answer_overtakes_one_that_waits_for_memory() {
    let world = World::new(3);
    let memory = TextMemory::new(100 * EXPANSION);
    world.scrape(0, 30, 60);
    let (begun, texts) = world.take(1, &memory).unwrap();
    assert_eq!(begun, 60 * EXPANSION);
    world.scrape(1, 20, 80);
    assert_eq!(world.take(1, &memory).unwrap_err(), NoJob::NoRoom);
    // It would fit, but less urgent jobs do not overtake.
    world.scrape(2, 25, 10);
    assert_eq!(world.take(1, &memory).unwrap_err(), NoJob::NoRoom);
    drop(texts);
    let (second, _texts) = world.take(1, &memory).unwrap();
    assert_eq!(second, 80 * EXPANSION);
    assert_eq!(world.take(1, &memory).unwrap().0, 10 * EXPANSION);
    assert_eq!(world.take(1, &memory).unwrap_err(), NoJob::Empty);
}

#[test]
fn a_more_urgent_answer_comes_before_one_that_waits_for_memory() {
    let world = World::new(2);
    let memory = TextMemory::new(100 * EXPANSION);
    let others = memory.try_take(50 * EXPANSION).unwrap();
    world.scrape(0, 20, 80);
    assert_eq!(world.take(1, &memory).unwrap_err(), NoJob::NoRoom);
    world.scrape(1, 10, 10);
    assert_eq!(world.take(1, &memory).unwrap().0, 10 * EXPANSION);
    drop(others);
    assert_eq!(world.take(1, &memory).unwrap().0, 80 * EXPANSION);
}

#[test]
fn an_answer_that_waits_for_memory_is_dropped_once_its_scraper_has_left() {
    let world = World::new(1);
    let memory = TextMemory::new(100 * EXPANSION);
    let others = memory.try_take(50 * EXPANSION).unwrap();
    let scrape = world.scrape(0, 20, 80);
    assert_eq!(world.take(1, &memory).unwrap_err(), NoJob::NoRoom);
    world.hub.end_scrape(world.at(2), scrape, false);
    drop(others);
    assert_eq!(world.take(2, &memory).unwrap_err(), NoJob::Empty);
}

#[test]
fn an_answer_is_not_opened_after_its_deadline_even_if_the_timer_is_late() {
    let world = World::new(1);
    let memory = TextMemory::new(100 * EXPANSION);
    let scrape = world.scrape(0, 10, 80);
    assert_eq!(world.take(10, &memory).unwrap_err(), NoJob::Empty);
    let Progress::Outcome(outcome) = world.hub.poll_scrape(world.at(10), scrape) else {
        panic!("the deadline is over")
    };
    assert_eq!(outcome.result.unwrap_err().reason(), "overloaded");
    assert_eq!(world.hub.tables().pending_bytes, 0);
}

/// Answers wait for a scraper that reads slowly, and take up half of their room. Of the others, only those that the scraper waits for next get
/// through.
#[test]
fn while_answers_take_up_the_room_those_who_are_next_get_through() {
    let world = World::with_room(6, 200);
    let scraper = Scraper::named("a", "x");
    let scrape = world.hub.start_scrape(world.start, world.at(10), Targets::All, &scraper).unwrap();
    world.answer(5, 120);
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let may_hand_on = |number: usize| {
        let (connection, _) = &world.connections[number];
        world.hub.poll_room(&Context::from_waker(&waker), *connection, true).is_ready()
    };
    assert_eq!([0, 1, 2, 3, 4].map(may_hand_on), [true, true, true, true, false]);
    // SETUP and pushes do not wait for a scraper.
    let cx = &mut Context::from_waker(&waker);
    assert!(world.hub.poll_room(cx, world.connections[5].0, false).is_ready());
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    // The first one is gone, so the fifth one moves up.
    world.hub.remove(world.start, world.connections[0].0);
    assert!(matches!(world.hub.poll_scrape(world.start, scrape.0), Progress::Outcome(_)));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(may_hand_on(4));
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
