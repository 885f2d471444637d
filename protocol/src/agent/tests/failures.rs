use super::*;
use crate::agent::DisconnectReason;
use crate::rsocket::frame::Setup;
use std::num::NonZeroUsize;

#[test]
fn a_transport_that_cannot_be_opened_is_told_and_tried_again() {
    let mut world = World::new(Config::default());
    assert!(world.agent.is_closed());
    assert_eq!(world.agent.poll_action(world.now), Action::Connect { proxy: 0 });
    world.agent.handle_connect_failed(world.now, "refused");
    let Some(Event::Disconnected { reason, retry_in, .. }) = world.agent.poll_event() else {
        panic!("nobody was told")
    };
    assert_eq!(reason.to_string(), "cannot connect: refused");
    assert_eq!(world.agent.poll_action(world.now), Action::Wait(world.now + retry_in));
    world.now += retry_in;
    world.connect();
    assert!(!world.agent.is_closed());
    // Late input has no effect.
    world.agent.handle_connect_failed(world.now, "refused");
    assert!(!world.agent.is_closed() && world.agent.poll_event().is_none());
}

#[test]
fn it_gives_up_after_as_many_retries_as_it_may_make() {
    let max_retries = Some(1);
    let proxies = NonZeroUsize::new(2).unwrap();
    let mut world = World::new(Config { max_retries, proxies, ..Config::default() });
    world.agent.push(world.now);
    for proxy in [0, 1, 0, 1] {
        let Action::Connect { proxy: wanted } = world.agent.poll_action(world.now) else {
            panic!("no attempt")
        };
        assert_eq!(wanted, proxy);
        world.agent.handle_connect_failed(world.now, "refused");
        // A push cuts the pause short; without one it would be over by now.
        if let Action::Wait(until) = world.agent.poll_action(world.now) {
            world.now = until;
        }
    }
    let events: Vec<Event> = std::iter::from_fn(|| world.agent.poll_event()).collect();
    let [.., gave_up, pushed_event, stopped] = &*events else { panic!("{events:?}") };
    let reason = DisconnectReason::NotConnected("refused".to_owned());
    assert_eq!(*gave_up, Event::GaveUp { reason: reason.clone() });
    let failure = PushFailure::GaveUp { reason: reason.to_string() };
    assert_eq!(*pushed_event, pushed(0, false, Err(failure)));
    assert_eq!(*stopped, Event::Stopped);
    assert_eq!(world.agent.poll_action(world.now), Action::Stop);
    assert_eq!(world.agent.push(world.now), None);
}

#[test]
fn a_connection_with_a_key_begins_the_count_of_retries_anew() {
    let mut world = World::new(Config { max_retries: Some(1), ..Config::default() });
    for _ in 0..3 {
        world.connect_with_key();
        world.cut();
        world.wait();
        assert_eq!(world.agent.poll_action(world.now), Action::Connect { proxy: 0 });
    }
    world.agent.handle_connect_failed(world.now, "refused");
    assert!(matches!(world.agent.poll_event(), Some(Event::GaveUp { .. })));
}

#[test]
fn openmetrics_becomes_text_for_a_proxy_of_version_1() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    for (text, sent) in [
        (
            "# TYPE a counter\na_total 1 # {b=\"c\"} 1\n# EOF\n",
            "# TYPE a_total counter\na_total 1\n",
        ),
        ("a_total 1\n", "a_total 1\n"),
        // A text in neither format is left to the proxy to judge.
        ("a b\n# EOF\n", "a b\n# EOF\n"),
    ] {
        let stream_id = world.scrape();
        let ticket = world.wanted();
        assert!(!world.agent.is_for_push(ticket));
        world.answer(ticket, text);
        let answered = world.seen.pop();
        assert_eq!(answered, Some(PeerEvent::Response { stream_id, payload: Some(sealed(sent)) }));
    }
}

#[test]
fn a_setup_that_cannot_be_sent_is_told() {
    let setup = Setup { data_mime: vec![b'm'; 256].into(), ..Setup::default() };
    let mut world = World::new(Config { setup, ..Config::default() });
    assert_eq!(world.agent.poll_action(world.now), Action::Connect { proxy: 0 });
    world.agent.handle_connected(world.now);
    let Some(Event::Disconnected { reason: DisconnectReason::NotConnected(error), .. }) =
        world.agent.poll_event()
    else {
        panic!("nobody was told")
    };
    assert!(error.contains("data MIME type"), "{error}");
}

#[test]
fn a_last_push_without_metrics_says_why() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    assert!(world.agent.answer(world.now, ticket, Err("disk full".to_owned())).is_none());
    let failure = PushFailure::NoMetrics("disk full".to_owned());
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Err(failure))));
}

#[test]
fn a_last_push_that_is_too_long_to_wait_says_so() {
    let mut config = Config::default();
    config.connection.max_queued_output = 10;
    let mut world = World::new(config);
    world.connect_with_key();
    // One frame waits already: a single frame is always accepted.
    let stream_id = world.scrape();
    let scraped = world.wanted();
    world.agent.push_and_close(world.now);
    let pushed = world.wanted();
    for ticket in [scraped, pushed] {
        let job = world.agent.answer(world.now, ticket, Ok("a 1\n".into())).unwrap();
        world.agent.handle_sealed(world.now, job.run([1; 32]));
    }
    let Some(Event::Pushed { result: Err(PushFailure::NotSent(error)), .. }) =
        world.agent.poll_event()
    else {
        panic!("it was sent")
    };
    assert!(error.contains("wait"), "{error}");
    world.run();
    let payload = Some(sealed("a 1\n"));
    assert_eq!(world.seen[0], PeerEvent::Response { stream_id, payload });
}

#[test]
fn a_transport_that_fails_is_told_with_its_reason() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.handle_transport_failed(world.now, "connection reset");
    let Some(Event::Disconnected { reason, retry_in, .. }) = world.agent.poll_event() else {
        panic!("nobody was told")
    };
    assert_eq!(reason, DisconnectReason::Transport("connection reset".to_owned()));
    assert_eq!(reason.to_string(), "the connection failed: connection reset");
    // The end of the next connection is unrelated.
    world.now += retry_in;
    world.connect();
    world.cut();
    let Some(Event::Disconnected { reason, .. }) = world.agent.poll_event() else {
        panic!("nobody was told")
    };
    assert!(matches!(reason, DisconnectReason::Closed(CloseReason::Eof { .. })), "{reason}");
}

#[test]
fn a_push_without_a_connection_says_why_there_is_none() {
    let mut world = World::new(Config::default());
    assert_eq!(world.agent.poll_action(world.now), Action::Connect { proxy: 0 });
    world.agent.handle_connect_failed(world.now, "127.0.0.1:1: refused");
    world.agent.poll_event();
    world.agent.push_and_close(world.now);
    world.now += Config::default().push_timeout;
    world.agent.handle_timeout(world.now);
    let reason = "cannot connect: 127.0.0.1:1: refused".to_owned();
    let failure = PushFailure::NotConnected { reason };
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Err(failure))));
}
