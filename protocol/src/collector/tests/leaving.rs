//! Connections that the proxy closes.

use super::*;

#[test]
fn a_connection_goes_once_the_request_under_way_is_over() {
    let mut world = World::new(Config::default());
    let (idle, busy, mute) = (world.connect_as("a"), world.connect_as("b"), world.connect_as("c"));
    let scrape = world.start();
    world.answer(idle, "a 1\n");
    world.work();
    assert!(world.collector.let_go(idle, "go"));
    for connection in [busy, mute] {
        assert!(!world.collector.let_go(connection, "go"), "it is being asked");
        assert!(world.collector.let_go_after_request(connection, "go"));
        assert!(!world.collector.let_go_after_request(connection, "go"), "it is known");
    }
    world.run();
    assert_eq!(world.collector.connected(), 2);
    world.answer(busy, "b 1\n");
    world.work();
    assert_eq!(world.collector.connected(), 1);
    world.advance(Duration::from_secs(10));
    assert_eq!(world.collector.connected(), 0);
    let outcomes = [served("a", "a 1\n"), served("b", "b 1\n"), failed("c", "timeout")];
    assert_eq!(world.take(scrape).0, outcomes);
}

#[test]
fn a_connection_that_is_not_asked_goes_after_the_next_request() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    assert!(world.collector.let_go_after_request(app, "go"));
    world.run();
    assert_eq!(world.collector.connected(), 1);
    let scrape = world.start();
    world.answer(app, "a 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "a 1\n")]);
    assert_eq!(world.collector.connected(), 0);
    // It returns and stays.
    let app = world.connect_as("a");
    let scrape = world.start();
    world.answer(app, "a 2\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "a 2\n")]);
    assert_eq!(world.collector.connected(), 1);
    assert!(!world.collector.let_go_after_request(ConnectionId(1_000_000), "go"));
}
