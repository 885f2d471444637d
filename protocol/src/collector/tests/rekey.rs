use super::*;

const NEW: &[u8] = b"another key";

fn world(apps: usize) -> (World, Vec<ConnectionId>) {
    let mut world = World::new(Config { key: Bytes::from_static(b"a key"), ..Config::default() });
    let ids = (0..apps).map(|_| world.connect()).collect();
    (world, ids)
}

fn told(world: &World) -> usize {
    world.peers.values().filter(|peer| peer.key.as_deref() == Some(NEW)).count()
}

#[test]
fn a_new_key_is_sent_in_steps_and_to_all() {
    let (mut world, _) = world(5);
    world.collector.rekey(Bytes::from_static(NEW));
    world.run();
    assert_eq!((told(&world), world.collector.unmoved()), (0, 5));
    for (sent, others_left) in [(2, true), (4, true), (5, false)] {
        assert_eq!(world.collector.tell_key(2), others_left);
        world.run();
        assert_eq!(told(&world), sent);
    }
    world.connect();
    assert_eq!((told(&world), world.collector.unmoved()), (6, 5), "who comes now has it at once");
}

#[test]
fn who_has_answered_a_request_with_the_new_key_or_is_gone_has_moved() {
    let (mut world, ids) = world(3);
    // The request carried the old key, so the answer may be sealed under it.
    let scrape = world.start();
    world.collector.rekey(Bytes::from_static(NEW));
    world.answer(ids[0], "old 1\n");
    world.work();
    world.collector.end_scrape(scrape, true);
    world.run();
    assert_eq!(world.collector.unmoved(), 3);
    // A request carries the new key even before the step that would have sent it.
    world.start();
    assert_eq!(told(&world), 3);
    assert!(!world.collector.tell_key(1));
    assert_eq!(world.collector.unmoved(), 3, "to be asked is not to answer");
    world.answer(ids[0], "new 1\n");
    assert_eq!(world.collector.unmoved(), 2);
    world.cut(ids[1]);
    assert_eq!(world.collector.unmoved(), 1);
    world.collector.rekey(Bytes::from_static(b"a third"));
    assert_eq!(world.collector.unmoved(), 2, "a third key begins anew");
}
