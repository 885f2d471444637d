use super::*;
use crate::envelope::{KeyUnwrap, OpenLimits, RsaKeyPair, open};

#[test]
fn the_owner_hears_that_metrics_are_not_wanted_any_more() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let stream_id = world.scrape();
    world.scrape();
    let (first, second) = (world.wanted(), world.wanted());
    world.proxy().cancel(stream_id).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(Event::Canceled { ticket: first }));
    assert_eq!(world.agent.poll_event(), None);
    world.cut();
    assert_eq!(world.agent.poll_event(), Some(Event::Canceled { ticket: second }));
    world.pause();
}

#[test]
fn what_is_sealed_when_the_scrape_is_cancelled_goes_nowhere() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let stream_id = world.scrape();
    let ticket = world.wanted();
    let job = world.agent.answer(world.now, ticket, Ok("a 1\n".into())).unwrap();
    world.proxy().cancel(stream_id).unwrap();
    world.run();
    world.agent.handle_sealed(world.now, job.run([1; 32]));
    world.run();
    assert_eq!(world.seen, []);
}

#[test]
fn each_answer_is_sealed_under_the_key_of_its_own_request() {
    let keys = RsaKeyPair::generate(2048, [3; 32]).unwrap();
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let secret = world.proxy().request_response(Payload::from_data(keys.public_key())).unwrap();
    world.run();
    let plain = world.scrape();
    let (first, second) = (world.wanted(), world.wanted());
    world.answer(first, "secret 1\n");
    world.answer(second, "plain 1\n");
    let [PeerEvent::Response { stream_id, payload: Some(payload) }, answered] = &world.seen[..]
    else {
        panic!("{:?}", world.seen);
    };
    assert_eq!(*stream_id, secret);
    let opened = open(&keys, payload.clone(), &OpenLimits::default(), [4; 32]).unwrap();
    assert_eq!(&opened.text[..], b"secret 1\n");
    let payload = Some(sealed("plain 1\n"));
    assert_eq!(*answered, PeerEvent::Response { stream_id: plain, payload });
}

#[test]
fn a_lost_worker_is_an_error_to_the_proxy() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    world.scrape();
    let ticket = world.wanted();
    let job = world.agent.answer(world.now, ticket, Ok("a 1\n".into())).unwrap();
    world.agent.handle_sealed(world.now, Sealed::lost(job.ticket()));
    world.run();
    let [PeerEvent::RequestFailed { error: StreamFailure::Error { code, .. }, .. }] =
        &world.seen[..]
    else {
        panic!("{:?}", world.seen);
    };
    assert_eq!(*code, ErrorCode::APPLICATION_ERROR);
    assert_eq!(world.proxy().open_streams(), 0);
}

#[test]
fn metrics_longer_than_a_frame_arrive_whole() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let asked = world.scrape();
    let ticket = world.wanted();
    let long = Ok(vec![b'#'; 17 << 20].into());
    let job = world.agent.answer(world.now, ticket, long).unwrap();
    world.agent.handle_sealed(world.now, job.run([1; 32]));
    world.run();
    let [PeerEvent::Response { stream_id, payload: Some(payload) }] = &world.seen[..] else {
        panic!("{:?}", world.seen.len());
    };
    assert_eq!((*stream_id, payload.data.len()), (asked, 17 << 20));
}

#[test]
fn the_first_frame_is_setup_as_java_sends_it() {
    let mut world = World::new(Config::default());
    assert_eq!(world.agent.poll_action(world.now), Action::Connect { proxy: 0 });
    world.agent.handle_connected(world.now);
    let mut bytes = BytesMut::new();
    assert!(world.agent.poll_transmit(world.now, &mut bytes));
    let mut expected = b"\0\0\x38\0\0\0\0\x04\0\0\x01\0\0\0\0\x4e\x20\0\x01\x5f\x90".to_vec();
    expected.extend_from_slice(b"\x12application/binary\x12application/binary");
    assert_eq!(bytes[..], expected);
}
