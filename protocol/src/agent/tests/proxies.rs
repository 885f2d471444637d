use super::*;
use crate::agent::DisconnectReason;
use std::num::NonZeroUsize;

const RETURN_AFTER: Duration = Duration::from_secs(300);

fn world(proxies: usize) -> World {
    let proxies = NonZeroUsize::new(proxies).unwrap();
    World::new(Config { proxies, ..Config::default() })
}

impl World {
    /// Connects to a proxy, which must be the one that the agent wants.
    #[track_caller]
    fn connect_to(&mut self, proxy: usize) {
        assert_eq!(self.agent.poll_action(self.now), Action::Connect { proxy });
        self.agent.handle_connected(self.now);
        self.proxy = Some(Connection::server(ConnectionConfig::default(), self.now));
        self.run();
        self.proxy().fire_and_forget(Payload::from_data(PLAINTEXT)).unwrap();
        self.run();
        self.seen.clear();
        assert_eq!(self.agent.poll_event(), Some(Event::Ready));
    }

    #[track_caller]
    fn fail(&mut self, proxy: usize) -> Duration {
        assert_eq!(self.agent.poll_action(self.now), Action::Connect { proxy });
        self.agent.handle_connect_failed(self.now, "refused");
        match self.agent.poll_event() {
            Some(Event::Disconnected { proxy: failed, retry_in, .. }) => {
                assert_eq!(failed, proxy);
                retry_in
            }
            other => panic!("it should be disconnected: {other:?}"),
        }
    }

    /// Lets the time pass after which earlier proxies are probed.
    #[track_caller]
    fn wait_for_probe(&mut self, proxy: usize) {
        self.keep_alive(RETURN_AFTER.mul_f64(0.89));
        assert_eq!(self.agent.poll_event(), None, "too early");
        self.keep_alive(RETURN_AFTER.mul_f64(0.22));
        assert_eq!(self.agent.poll_event(), Some(Event::ProbeWanted { proxy }));
    }

    /// Advances the time in steps in which both sides answer keepalives.
    fn keep_alive(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += SECOND;
            self.agent.handle_timeout(self.now);
            self.run();
        }
    }
}

#[test]
fn the_next_proxy_is_tried_at_once_and_there_is_a_pause_after_the_last() {
    let mut world = world(3);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        assert_eq!((world.fail(0), world.fail(1)), (Duration::ZERO, Duration::ZERO));
        pauses.push(world.fail(2));
        world.now += *pauses.last().unwrap();
    }
    assert!(pauses[0] >= SECOND && pauses[4] > pauses[0], "{pauses:?}");
    world.fail(0);
    world.connect_to(1);
}

#[test]
fn a_proxy_that_refuses_or_ends_the_connection_is_followed_by_the_next() {
    for code in [ErrorCode::REJECTED_SETUP, ErrorCode::CONNECTION_ERROR] {
        for has_key in [false, true] {
            let mut world = world(2);
            if has_key {
                world.connect_to(0)
            } else {
                world.connect()
            }
            let now = world.now;
            world.proxy().close(now, code, "full");
            world.run();
            assert_eq!(world.pause(), Duration::ZERO);
            assert_eq!(world.agent.poll_action(now), Action::Connect { proxy: 1 });
        }
    }
}

#[test]
fn proxies_that_accept_and_close_are_not_asked_without_a_pause() {
    let mut world = world(2);
    world.connect_to(0);
    world.cut();
    assert_eq!(world.pause(), Duration::ZERO);
    world.connect_to(1);
    world.cut();
    assert!(world.pause() >= SECOND);
    // A stable connection starts a new round.
    world.now += 100 * SECOND;
    world.connect_to(0);
    world.keep_alive(10 * SECOND);
    world.cut();
    assert_eq!((world.pause(), world.fail(1) >= SECOND), (Duration::ZERO, true));
}

#[test]
fn an_earlier_proxy_is_returned_to_between_scrapes() {
    let mut world = world(3);
    assert_eq!((world.fail(0), world.fail(1)), (Duration::ZERO, Duration::ZERO));
    world.connect_to(2);
    world.wait_for_probe(0);
    world.agent.handle_probed(world.now, 0, false);
    assert_eq!(world.agent.poll_event(), Some(Event::ProbeWanted { proxy: 1 }));
    world.agent.handle_probed(world.now, 1, false);
    world.wait_for_probe(0);
    world.agent.handle_probed(world.now, 0, false);
    world.agent.poll_event();
    // A scrape and a push are under way, and it stays until both are over.
    let stream_id = world.scrape();
    let scraped = world.wanted();
    world.agent.push(world.now);
    let wanted = world.wanted();
    world.agent.handle_probed(world.now, 1, true);
    world.answer(scraped, "a 1\n");
    world.answer(wanted, "a 2\n");
    assert!(world.agent.is_ready());
    world.proxy().respond(StreamId::new(1), Payload::default()).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(pushed(0, false, Ok(()))));
    let payload = Some(sealed("a 1\n"));
    assert_eq!(world.seen[0], PeerEvent::Response { stream_id, payload });
    let reason = CloseReason::PeerError {
        code: ErrorCode::CONNECTION_ERROR,
        message: "Disposed".to_owned(),
    };
    assert_eq!(world.seen.last(), Some(&PeerEvent::Closed { reason }));
    let (proxy, reason, retry_in) = (2, DisconnectReason::Returning, Duration::ZERO);
    let left = Event::Disconnected { proxy, reason, retry_in };
    assert_eq!(world.agent.poll_event(), Some(left));
    world.connect_to(1);
    // It is not the first yet.
    world.wait_for_probe(0);
    world.agent.handle_probed(world.now, 0, true);
    world.run();
    assert_eq!(world.pause(), Duration::ZERO);
    world.connect_to(0);
    world.keep_alive(RETURN_AFTER * 2);
    assert_eq!(world.agent.poll_event(), None, "the first is where it stays");
}

#[test]
fn an_earlier_proxy_that_refuses_after_all_costs_one_attempt() {
    let mut world = world(2);
    world.fail(0);
    world.connect_to(1);
    world.wait_for_probe(0);
    world.agent.handle_probed(world.now, 0, true);
    world.run();
    world.pause();
    assert_eq!(world.fail(0), Duration::ZERO);
    world.connect_to(1);
    world.wait_for_probe(0);
}

#[test]
fn what_a_probe_finds_after_its_connection_does_not_matter() {
    let mut world = world(2);
    world.fail(0);
    world.connect_to(1);
    world.wait_for_probe(0);
    world.cut();
    assert_eq!(world.pause(), Duration::ZERO);
    world.agent.handle_probed(world.now, 0, true);
    world.connect_to(0);
    world.agent.handle_probed(world.now, 0, true);
    world.run();
    assert!(world.agent.is_ready() && world.agent.poll_event().is_none());
}

#[test]
fn a_push_that_comes_while_it_returns_is_made_there() {
    let mut world = world(2);
    world.fail(0);
    world.connect_to(1);
    world.wait_for_probe(0);
    world.agent.handle_probed(world.now, 0, true);
    // The connection is ending.
    world.agent.push_and_close(world.now);
    assert_eq!(world.agent.poll_event(), None);
    world.run();
    world.pause();
    world.connect_to(0);
    let ticket = world.wanted();
    world.answer(ticket, "last 1\n");
    let (stream_id, payload) = (StreamId::new(1), sealed("last 1\n"));
    assert_eq!(world.seen, [PeerEvent::RequestResponse { stream_id, payload }]);
}

#[test]
fn a_push_tries_the_whole_list() {
    let mut world = world(2);
    world.fail(0);
    let pause = world.fail(1);
    assert!(pause > Duration::ZERO);
    world.agent.push(world.now);
    world.fail(0);
    world.connect_to(1);
    world.wanted();
}
