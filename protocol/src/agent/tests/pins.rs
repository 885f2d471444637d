use super::*;
use crate::envelope::{Fingerprint, KeyUnwrap, RsaKeyPair};

fn key(seed: u8) -> (Bytes, Fingerprint) {
    let key = RsaKeyPair::generate(2048, [seed; 32]).unwrap().public_key();
    (key.clone(), Fingerprint::of(&key))
}

fn world(pins: Pins) -> World {
    let proxies = std::num::NonZeroUsize::new(2).unwrap();
    World::new(Config { pins, proxies, ..Config::default() })
}

fn connect_to(world: &mut World, proxy: usize, key: &Bytes) -> Vec<Event> {
    assert_eq!(world.agent.poll_action(world.now), Action::Connect { proxy });
    world.agent.handle_connected(world.now);
    world.proxy = Some(Connection::server(ConnectionConfig::default(), world.now));
    world.run();
    world.proxy().fire_and_forget(Payload::from_data(key.clone())).unwrap();
    world.run();
    std::iter::from_fn(|| world.agent.poll_event()).collect()
}

#[test]
fn a_key_that_is_not_pinned_ends_the_connection_and_the_next_proxy_is_tried() {
    let ((good, pin), (other, came)) = (key(1), key(2));
    let mut world = world(Pins::These(vec![pin]));
    let events = connect_to(&mut world, 0, &other);
    let refusal = KeyNotPinned { came: Some(came), expected: vec![pin] };
    let message = refusal.to_string();
    assert!(message.contains(&came.to_string()) && message.contains(&pin.to_string()), "{message}");
    assert_eq!(events.first(), Some(&Event::ProxyRefused { reason: refusal.into() }));
    assert!(!world.agent.is_ready());
    let is_told = |event: &PeerEvent| format!("{event:?}").contains(&came.to_string());
    assert!(world.seen.iter().any(is_told), "{:?}", world.seen);
    let events = connect_to(&mut world, 1, &good);
    assert_eq!(events, [Event::Ready]);
    // The same proxy with another key, later.
    world.now += SECOND;
    world.proxy().request_response(Payload::from_data(other)).unwrap();
    world.run();
    let wanted = |event: &Event| matches!(event, Event::MetricsWanted { .. });
    assert!(!std::iter::from_fn(|| world.agent.poll_event()).any(|event| wanted(&event)));
    assert!(!world.agent.is_ready());
}

#[test]
fn plaintext_satisfies_no_pin() {
    let plaintext = Bytes::from_static(PLAINTEXT);
    for pins in [Pins::These(vec![key(1).1]), Pins::FirstUse(Vec::new())] {
        let mut world = world(pins);
        let events = connect_to(&mut world, 0, &plaintext);
        let is_refusal = |event: &Event| matches!(event, Event::ProxyRefused { reason: ProxyRefusal::Key(error) } if error.came.is_none());
        assert!(events.iter().any(is_refusal), "{events:?}");
        assert!(!events.contains(&Event::Ready));
    }
}

#[test]
fn each_proxy_has_the_first_key_that_came_from_it() {
    let ((one, first), (two, second)) = (key(1), key(2));
    let mut world = world(Pins::FirstUse(Vec::new()));
    let pinned = Event::KeyPinned { proxy: 0, fingerprint: first };
    assert_eq!(connect_to(&mut world, 0, &one), [pinned, Event::Ready]);
    world.cut();
    while world.agent.poll_event().is_some() {}
    let pinned = Event::KeyPinned { proxy: 1, fingerprint: second };
    assert_eq!(connect_to(&mut world, 1, &two), [pinned, Event::Ready]);
    world.cut();
    while world.agent.poll_event().is_some() {}
    world.now += 600 * SECOND;
    let events = connect_to(&mut world, 0, &two);
    let refusal = KeyNotPinned { came: Some(second), expected: vec![first] };
    assert_eq!(events.first(), Some(&Event::ProxyRefused { reason: refusal.into() }));
}

#[test]
fn a_message_names_a_few_of_many_pins() {
    let expected = (0..100).map(|nth| Fingerprint::from_bytes([nth; 32])).collect();
    let message = KeyNotPinned { came: None, expected }.to_string();
    assert!(message.ends_with(" or one of 96 more") && message.len() < 400, "{message}");
}
