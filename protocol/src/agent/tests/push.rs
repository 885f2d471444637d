use super::*;
use crate::envelope::{KeyUnwrap, RsaKeyPair};

#[test]
fn a_push_whose_connection_ends_without_an_answer_is_made_again() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    world.answer(ticket, "last 1\n");
    world.cut();
    let pause = world.pause();
    world.now += pause;
    world.seen.clear();
    world.connect_with_key();
    // The key is the same: the same bytes are sent without asking for metrics.
    let stream_id = StreamId::new(1);
    let payload = sealed("last 1\n");
    assert_eq!(world.seen, [PeerEvent::RequestResponse { stream_id, payload }]);
    world.proxy().respond(stream_id, Payload::default()).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Ok(()))));
}

#[test]
fn a_push_that_is_not_made_again_in_time_says_what_was_missing() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    world.answer(ticket, "last 1\n");
    world.cut();
    world.pause();
    world.now += Config::default().push_timeout;
    world.agent.handle_timeout(world.now);
    let waiting_for = "the proxy has not said that it stored them";
    let failure = PushFailure::TimedOut { waiting_for };
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Err(failure))));
    assert_eq!(world.agent.poll_event(), Some(Event::Stopped));
}

#[test]
fn a_push_is_told_to_be_sent_only_once_the_transport_has_it() {
    let mut world = World::new(Config { push: PushMode::FireAndForget, ..Config::default() });
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    let job = world.agent.answer(world.now, ticket, Ok("last 1\n".into())).unwrap();
    world.agent.handle_sealed(world.now, job.run([1; 32]));
    assert_eq!(world.agent.poll_event(), None);
    // The transport took none of it, so it is sent again on the next connection.
    world.cut();
    world.wait();
    world.seen.clear();
    world.connect_with_key();
    assert!(matches!(&world.seen[..], [PeerEvent::FireAndForget { .. }, PeerEvent::Closed { .. }]));
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, Ok(()))));
    assert_eq!(world.agent.poll_event(), Some(Event::Stopped));
}

#[test]
fn a_push_longer_than_a_frame_arrives_whole() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    let text = Ok(vec![b'#'; 17 << 20].into());
    let job = world.agent.answer(world.now, ticket, text).unwrap();
    world.agent.handle_sealed(world.now, job.run([1; 32]));
    world.run();
    let [PeerEvent::RequestResponse { payload, .. }] = &world.seen[..] else {
        panic!("{:?}", world.seen.len());
    };
    assert_eq!(payload.data.len(), 17 << 20);
}

#[test]
fn closing_gives_a_push_up() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    let ticket = world.wanted();
    world.agent.close(world.now);
    world.run();
    assert_eq!(world.agent.poll_event(), Some(Event::Canceled { ticket }));
    let result = Err(PushFailure::Closed);
    assert_eq!(world.agent.poll_event(), Some(pushed(0, true, result)));
    assert_eq!(world.agent.poll_event(), Some(Event::Stopped));
}

#[test]
fn scrapes_are_answered_while_a_push_waits() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push_and_close(world.now);
    world.wanted();
    let stream_id = world.scrape();
    let ticket = world.wanted();
    world.answer(ticket, "a 1\n");
    let payload = Some(sealed("a 1\n"));
    assert_eq!(world.seen, [PeerEvent::Response { stream_id, payload }]);
}

#[test]
fn pushes_that_are_asked_for_meanwhile_are_one_that_follows() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let first = world.agent.push(world.now).unwrap();
    let ticket = world.wanted();
    let second = world.agent.push(world.now).unwrap();
    assert_ne!(first, second);
    assert_eq!(world.agent.push(world.now), Some(second));
    assert_eq!(world.agent.poll_event(), None, "one at a time");
    world.answer(ticket, "a 1\n");
    world.proxy().respond(StreamId::new(1), Payload::default()).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(pushed(0, false, Ok(()))));
    let ticket = world.wanted();
    // The last push follows; a further push shares it.
    let last = world.agent.push_and_close(world.now).unwrap();
    assert_eq!(world.agent.push(world.now), Some(last));
    world.seen.clear();
    world.answer(ticket, "a 2\n");
    let (stream_id, payload) = (StreamId::new(3), sealed("a 2\n"));
    assert_eq!(world.seen, [PeerEvent::RequestResponse { stream_id, payload }]);
    world.proxy().respond(stream_id, Payload::default()).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(pushed(1, false, Ok(()))));
    let ticket = world.wanted();
    assert_eq!((world.agent.push(world.now), world.agent.push_and_close(world.now)), (None, None));
    world.answer(ticket, "a 3\n");
    world.proxy().respond(StreamId::new(5), Payload::default()).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(pushed(2, true, Ok(()))));
    assert_eq!(world.agent.poll_event(), Some(Event::Stopped));
}

#[test]
fn a_push_that_closes_joins_those_that_wait() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push(world.now);
    world.wanted();
    let next = world.agent.push(world.now);
    assert_eq!(world.agent.push_and_close(world.now), next);
    world.agent.close(world.now);
    let events = std::iter::from_fn(|| world.agent.poll_event());
    let results: Vec<Event> =
        events.filter(|event| matches!(event, Event::Pushed { .. })).collect();
    let closed = || Err(PushFailure::Closed);
    assert_eq!(results, [pushed(0, false, closed()), pushed(1, true, closed())]);
}

#[test]
fn a_push_goes_on_after_one_that_failed() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push(world.now);
    let ticket = world.wanted();
    world.now += SECOND;
    world.agent.push(world.now);
    world.answer(ticket, "a 1\n");
    world.seen.clear();
    world.now += Config::default().push_timeout - SECOND;
    world.agent.handle_timeout(world.now);
    let waiting_for = "the proxy has not said that it stored them";
    let failure = PushFailure::TimedOut { waiting_for };
    assert_eq!(world.agent.poll_event(), Some(pushed(0, false, Err(failure))));
    world.run();
    // The proxy need not answer any more: the stream is cancelled.
    assert_eq!(world.seen, [PeerEvent::Canceled { stream_id: StreamId::new(1) }]);
    let ticket = world.wanted();
    assert!(world.agent.answer(world.now, ticket, Err("disk full".to_owned())).is_none());
    let failure = PushFailure::NoMetrics("disk full".to_owned());
    assert_eq!(world.agent.poll_event(), Some(pushed(1, false, Err(failure))));
    assert!(world.agent.is_ready() && !world.agent.is_pushing());
}

#[test]
fn a_push_told_and_forgotten_does_not_close() {
    let mut world = World::new(Config { push: PushMode::FireAndForget, ..Config::default() });
    world.connect_with_key();
    for (number, text) in [(0, "a 1\n"), (1, "a 2\n")] {
        world.agent.push(world.now);
        let ticket = world.wanted();
        world.answer(ticket, text);
        assert_eq!(world.agent.poll_event(), Some(pushed(number, false, Ok(()))));
    }
    let payloads = ["a 1\n", "a 2\n"].map(sealed);
    let sent = [1, 3].map(StreamId::new).into_iter().zip(payloads);
    let sent = sent.map(|(stream_id, payload)| PeerEvent::FireAndForget { stream_id, payload });
    assert_eq!(world.seen, sent.collect::<Vec<_>>());
    assert!(world.agent.is_ready());
}

#[test]
fn a_push_in_fragments_is_sent_once_the_last_is_out() {
    let mut config = Config { push: PushMode::FireAndForget, ..Config::default() };
    config.connection.mtu = Some(64);
    let mut world = World::new(config);
    world.connect_with_key();
    world.agent.push(world.now);
    let ticket = world.wanted();
    let job = world.agent.answer(world.now, ticket, Ok(vec![b'#'; 200].into())).unwrap();
    world.agent.handle_sealed(world.now, job.run([1; 32]));
    let mut output = BytesMut::new();
    let mut frames = 0;
    while world.agent.poll_transmit(world.now, &mut output) {
        frames += 1;
        let is_out = world.agent.poll_event().is_some();
        assert_eq!(is_out, output.len() > 200, "after {frames} frames");
    }
    assert!(frames > 3, "{frames}");
}

#[test]
fn another_key_wants_the_metrics_anew() {
    let keys = RsaKeyPair::generate(2048, [3; 32]).unwrap();
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.agent.push(world.now);
    let ticket = world.wanted();
    world.answer(ticket, "a 1\n");
    world.cut();
    world.wait();
    world.seen.clear();
    world.connect();
    world.proxy().fire_and_forget(Payload::from_data(keys.public_key())).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(Event::Ready));
    let ticket = world.wanted();
    world.answer(ticket, "a 2\n");
    let [PeerEvent::RequestResponse { payload: first, .. }] = &world.seen[..] else {
        panic!("{:?}", world.seen);
    };
    assert!(!first.data.is_empty());
    // The same bytes again, although each sealing draws a fresh key.
    let first = first.clone();
    assert!(world.agent.held_bytes() > first.data.len());
    world.cut();
    world.wait();
    world.seen.clear();
    world.connect();
    world.proxy().fire_and_forget(Payload::from_data(keys.public_key())).unwrap();
    world.run();
    let stream_id = StreamId::new(1);
    assert_eq!(world.seen, [PeerEvent::RequestResponse { stream_id, payload: first }]);
    world.proxy().respond(stream_id, Payload::default()).unwrap();
    world.run();
    let results: Vec<Event> = std::iter::from_fn(|| world.agent.poll_event()).collect();
    assert_eq!(results, [Event::Ready, pushed(0, false, Ok(()))]);
    assert_eq!(world.agent.held_bytes(), 0);
}
