mod contract;
mod failures;
mod pins;
mod proxies;
mod push;
mod scrapes;

use super::*;
use crate::Machine;
use crate::envelope::PLAINTEXT;
use crate::rsocket::connection::{Config as ConnectionConfig, Event as PeerEvent, StreamFailure};
use bytes::BytesMut;
use proptest::prelude::*;
use std::time::Duration;

/// An agent, and the proxy's end of its current connection.
struct World {
    now: Instant,
    agent: Agent,
    proxy: Option<Connection>,
    seen: Vec<PeerEvent>,
}

const SECOND: Duration = Duration::from_secs(1);

impl World {
    fn new(config: Config) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
        let now = Instant::now();
        Self { now, agent: Agent::new(config, 7, now), proxy: None, seen: Vec::new() }
    }

    fn connect(&mut self) {
        assert_eq!(self.agent.poll_action(self.now), Action::Connect { proxy: 0 });
        self.agent.handle_connected(self.now);
        self.proxy = Some(Connection::server(ConnectionConfig::default(), self.now));
        self.run();
        assert!(matches!(self.seen.remove(0), PeerEvent::SetupReceived { .. }));
    }

    fn connect_with_key(&mut self) {
        self.connect();
        self.proxy().fire_and_forget(Payload::from_data(PLAINTEXT)).unwrap();
        self.run();
        assert_eq!(self.agent.poll_event(), Some(Event::Ready));
    }

    fn proxy(&mut self) -> &mut Connection {
        self.proxy.as_mut().unwrap()
    }

    fn run(&mut self) {
        let Some(proxy) = &mut self.proxy else { return };
        for _ in 0..4 {
            let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
            while self.agent.poll_transmit(self.now, &mut up) {}
            proxy.handle_input(self.now, &mut up);
            while proxy.poll_transmit(self.now, &mut down) {}
            self.agent.handle_input(self.now, &mut down);
            self.seen.extend(std::iter::from_fn(|| proxy.poll_event()));
        }
    }

    /// The proxy vanishes.
    fn cut(&mut self) {
        self.proxy = None;
        self.agent.handle_eof(self.now);
    }

    fn scrape(&mut self) -> StreamId {
        let key = Payload::from_data(PLAINTEXT);
        let stream_id = self.proxy().request_response(key).unwrap();
        self.run();
        stream_id
    }

    fn wanted(&mut self) -> Ticket {
        match self.agent.poll_event() {
            Some(Event::MetricsWanted { ticket }) => ticket,
            other => panic!("metrics should be wanted: {other:?}"),
        }
    }

    fn answer(&mut self, ticket: Ticket, text: &'static str) {
        let job = self.agent.answer(self.now, ticket, Ok(text.into())).expect("a job");
        self.agent.handle_sealed(self.now, job.run([1; 32]));
        self.run();
    }

    /// Lets the pause after a lost connection pass.
    fn wait(&mut self) {
        let pause = self.pause();
        self.now += pause;
    }

    fn pause(&mut self) -> Duration {
        match self.agent.poll_event() {
            Some(Event::Disconnected { retry_in, .. }) => retry_in,
            other => panic!("it should be disconnected: {other:?}"),
        }
    }
}

fn pushed(push: u64, is_last: bool, result: Result<(), PushFailure>) -> Event {
    Event::Pushed { push: PushId(push), is_last, result }
}

fn sealed(text: &'static str) -> Payload {
    Payload::new(PLAINTEXT, text)
}

#[test]
fn a_scrape_is_answered_under_the_key_that_it_brings() {
    let mut world = World::new(Config::default());
    world.connect();
    assert!(!world.agent.is_ready());
    // No key was pushed; the key in the request is enough.
    let stream_id = world.scrape();
    assert_eq!(world.agent.poll_event(), Some(Event::Ready));
    let ticket = world.wanted();
    world.answer(ticket, "a 1\n");
    let payload = Some(sealed("a 1\n"));
    assert_eq!(world.seen, [PeerEvent::Response { stream_id, payload }]);
}

#[test]
fn scrapes_at_once_are_answered_each_on_its_own() {
    let mut world = World::new(Config { max_scrapes: 2, ..Config::default() });
    world.connect_with_key();
    let streams = [world.scrape(), world.scrape(), world.scrape()];
    assert!(matches!(
        &world.seen[..],
        [PeerEvent::RequestFailed { stream_id, error: StreamFailure::Error { code: ErrorCode::REJECTED, .. } }]
            if *stream_id == streams[2]
    ));
    let (first, second) = (world.wanted(), world.wanted());
    world.answer(second, "b 2\n");
    world.answer(first, "a 1\n");
    let responses = [(streams[1], "b 2\n"), (streams[0], "a 1\n")]
        .map(|(stream_id, text)| PeerEvent::Response { stream_id, payload: Some(sealed(text)) });
    assert_eq!(world.seen[1..], responses);
}

#[test]
fn metrics_that_cannot_be_had_are_an_error_to_the_proxy() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let stream_id = world.scrape();
    let ticket = world.wanted();
    assert!(world.agent.answer(world.now, ticket, Err("disk full".to_owned())).is_none());
    world.run();
    let error =
        StreamFailure::Error { code: ErrorCode::APPLICATION_ERROR, data: "disk full".into() };
    assert_eq!(world.seen, [PeerEvent::RequestFailed { stream_id, error }]);
}

#[test]
fn a_cancelled_scrape_wants_nothing_any_more() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let stream_id = world.scrape();
    let ticket = world.wanted();
    world.proxy().cancel(stream_id).unwrap();
    world.run();
    assert!(world.agent.answer(world.now, ticket, Ok("a 1\n".into())).is_none());
}

#[test]
fn a_key_that_is_none_is_refused_and_the_old_one_kept() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.proxy().request_response(Payload::from_data("rubbish")).unwrap();
    world.run();
    assert!(matches!(world.agent.poll_event(), Some(Event::KeyRefused { .. })));
    assert!(matches!(&world.seen[..], [PeerEvent::RequestFailed { .. }]));
    assert!(world.agent.is_ready());
}

#[test]
fn the_last_push_waits_for_the_proxys_word() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    world.answer(ticket, "last 1\n");
    let stream_id = StreamId::new(1);
    let payload = sealed("last 1\n");
    assert_eq!(world.seen, [PeerEvent::RequestResponse { stream_id, payload }]);
    assert_eq!(world.agent.poll_event(), None, "it waits");
    world.proxy().respond(stream_id, Payload::default()).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Ok(()))));
    assert_eq!(world.agent.poll_event(), Some(Event::Stopped));
    let reason = CloseReason::PeerError {
        code: ErrorCode::CONNECTION_ERROR,
        message: "Disposed".to_owned(),
    };
    assert_eq!(world.seen[1..], [PeerEvent::Closed { reason }]);
    assert_eq!(world.agent.poll_action(world.now), Action::Stop);
}

#[test]
fn a_push_told_and_forgotten_goes_before_the_error_frame() {
    let mut world = World::new(Config { push: PushMode::FireAndForget, ..Config::default() });
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    world.answer(ticket, "last 1\n");
    assert!(matches!(&world.seen[..], [PeerEvent::FireAndForget { .. }, PeerEvent::Closed { .. }]));
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Ok(()))));
}

#[test]
fn a_refused_push_says_what_the_proxy_said() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    world.answer(ticket, "last 1\n");
    let stream_id = StreamId::new(1);
    world.proxy().reject(stream_id, ErrorCode::APPLICATION_ERROR, "no room").unwrap();
    world.run();
    let result = Err(PushFailure::Refused("APPLICATION_ERROR: no room".to_owned()));
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, result)));
}

#[test]
fn a_push_without_a_connection_seeks_one_at_once_and_not_for_ever() {
    let config = Config::default();
    let mut world = World::new(config.clone());
    world.connect_with_key();
    world.cut();
    world.pause();
    assert!(matches!(world.agent.poll_action(world.now), Action::Wait(_)));
    world.agent.push_and_close(world.now);
    world.connect();
    world.proxy().fire_and_forget(Payload::from_data(PLAINTEXT)).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(Event::Ready));
    let ticket = world.wanted();
    world.now += config.push_timeout;
    world.agent.handle_timeout(world.now);
    assert_eq!(world.agent.poll_event(), Some(Event::Canceled { ticket }));
    let failure = PushFailure::TimedOut { waiting_for: "the metrics did not come" };
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Err(failure))));
    world.run();
    assert_eq!(world.agent.poll_event(), Some(Event::Stopped));
}

#[test]
fn closing_between_connections_is_immediate() {
    let mut world = World::new(Config::default());
    world.agent.close(world.now);
    assert_eq!(world.agent.poll_event(), Some(Event::Stopped));
    assert_eq!(world.agent.poll_action(world.now), Action::Stop);
    world.agent.push_and_close(world.now);
    assert_eq!(world.agent.poll_event(), None);
}

#[test]
fn a_pause_begins_when_the_transport_is_gone() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.cut();
    let pause = world.pause();
    assert_eq!(world.agent.poll_action(world.now), Action::Wait(world.now + pause));
    world.now += 2 * SECOND;
    world.agent.handle_transport_gone(world.now);
    assert_eq!(world.agent.poll_action(world.now), Action::Wait(world.now + pause));
    // A push meanwhile does not wait for the pause.
    world.agent.push(world.now);
    world.agent.handle_transport_gone(world.now);
    assert_eq!(world.agent.poll_action(world.now), Action::Connect { proxy: 0 });
}

#[test]
fn pauses_grow_also_when_the_proxy_accepts_and_closes() {
    let mut world = World::new(Config::default());
    let mut pauses = Vec::new();
    for _ in 0..10 {
        world.connect_with_key();
        world.cut();
        pauses.push(world.pause());
        world.now += *pauses.last().unwrap();
    }
    assert!(pauses[0] <= 5 * SECOND, "{pauses:?}");
    assert!(pauses[9] >= 30 * SECOND && pauses[9] <= 60 * SECOND, "{pauses:?}");
    // A connection that lasted resets the pauses.
    world.connect_with_key();
    world.now += 10 * SECOND;
    world.cut();
    assert!(world.pause() <= 5 * SECOND);
}

#[test]
fn a_rejected_setup_is_told_with_its_reason() {
    let mut world = World::new(Config::default());
    world.connect();
    let now = world.now;
    world.proxy().close(now, ErrorCode::REJECTED_SETUP, "not you");
    world.run();
    let Some(Event::Disconnected { reason, .. }) = world.agent.poll_event() else {
        panic!("it is disconnected");
    };
    assert_eq!(reason.to_string(), "the peer sent REJECTED_SETUP: not you");
}

proptest! {
    #[test]
    fn every_pause_is_within_its_bounds(seed: u64, min_ms in 1_u64..20_000, factor in 1_u64..100) {
        let (min, max) = (Duration::from_millis(min_ms), Duration::from_millis(min_ms * factor));
        let mut backoff = Backoff::new(BackoffConfig::new(min, max), seed);
        let mut turn = (4 * min).min(max);
        for attempt in 0..40 {
            let pause = backoff.next();
            let shortest = if attempt == 0 { min } else { min.max(turn / 2) };
            prop_assert!(pause >= shortest && pause <= max.min(turn + turn / 4).max(min));
            turn = (turn * 2).min(max);
        }
        backoff.reset();
        prop_assert!(backoff.next() <= 5 * min);
        prop_assert!(backoff.short() <= min + min / 2);
    }

    #[test]
    fn no_bytes_of_a_proxy_panic_an_agent(bytes: Vec<u8>, keyed: bool) {
        let mut world = World::new(Config::default());
        if keyed {
            world.connect_with_key();
        } else {
            world.connect();
        }
        let mut input = BytesMut::from(&bytes[..]);
        world.agent.handle_input(world.now, &mut input);
        world.now += 200 * SECOND;
        world.agent.handle_timeout(world.now);
        prop_assert!(world.agent.poll_timeout().is_none_or(|next| next > world.now));
    }
}
