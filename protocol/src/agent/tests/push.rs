use super::*;

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
    let ticket = world.wanted();
    world.answer(ticket, "last 2\n");
    let stream_id = StreamId::new(1);
    let payload = sealed("last 2\n");
    assert_eq!(world.seen, [PeerEvent::RequestResponse { stream_id, payload }]);
    world.proxy().respond(stream_id, Payload::default()).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(Event::Pushed { result: Ok(()) }));
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
    assert_eq!(world.agent.poll_event(), Some(Event::Pushed { result: Err(failure) }));
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
    // Closing is under way already.
    world.agent.close(world.now);
    assert_eq!(world.agent.poll_event(), None);
    world.cut();
    let Some(Event::Pushed { result: Err(PushFailure::NotSent(_)) }) = world.agent.poll_event()
    else {
        panic!("it was not sent");
    };
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
    world.wanted();
    world.agent.close(world.now);
    world.run();
    let result = Err(PushFailure::Closed);
    assert_eq!(world.agent.poll_event(), Some(Event::Pushed { result }));
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
