use super::*;

#[test]
fn more_connections_are_taken_once_there_may_be_more() {
    let mut world = World::new(Config { max_connections: 1, ..Config::default() });
    let first = world.connect();
    assert!(world.collector.accept(world.now, peer()).is_err());
    world.collector.reconfigure(world.now, Config { max_connections: 2, ..Config::default() });
    world.connect();
    // With a lower limit, nothing is closed and nothing is accepted.
    world.collector.reconfigure(world.now, Config { max_connections: 1, ..Config::default() });
    assert_eq!(world.collector.connected(), 2);
    assert!(world.collector.accept(world.now, peer()).is_err());
    world.collector.remove(world.now, first);
    assert!(world.collector.accept(world.now, peer()).is_err());
}

#[test]
fn what_is_fixed_at_the_start_stays() {
    let key = Bytes::from_static(b"some key");
    let start =
        Config { key: key.clone(), admission: true, stores_pushes: true, ..Config::default() };
    let mut collector = Collector::new(start);
    let now = World::new(Config::default()).now;
    collector.reconfigure(now, Config { push_keep: PushKeep::All, ..Config::default() });
    let Config { key: kept, admission, stores_pushes, push_keep, .. } = collector.config;
    assert_eq!((kept, admission, stores_pushes, push_keep), (key, true, true, PushKeep::All));
}

#[test]
fn applications_that_are_gone_are_forgotten_as_the_new_limits_say() {
    let mut world = World::new(Config::default());
    let entries = |world: &World| world.collector.entries();
    for name in ["a", "b", "c"] {
        let app = world.connect_as(name);
        world.collector.remove(world.now, app);
    }
    assert_eq!(entries(&world), 3);
    world.collector.reconfigure(world.now, Config { max_gone: 2, ..Config::default() });
    assert_eq!(entries(&world), 2);
    let now = world.now + Duration::from_secs(30);
    world
        .collector
        .reconfigure(now, Config { grace: Duration::from_secs(60), ..Config::default() });
    assert_eq!(entries(&world), 2);
    assert_eq!(world.collector.poll_timeout(), Some(world.now + Duration::from_secs(60)));
    world
        .collector
        .reconfigure(now, Config { grace: Duration::from_secs(10), ..Config::default() });
    assert_eq!(entries(&world), 0);
}

#[test]
fn pushes_that_are_held_stay_and_others_go_by_the_new_limits() {
    let mut world = World::new(Config::default());
    let push = |world: &mut World, name: &str, text| {
        let app = world.connect_as(name);
        world.push(app, text);
        world.work();
    };
    push(&mut world, "a", "a 1\n");
    push(&mut world, "b", "b 1\n");
    assert_eq!(world.collector.held_pushes(), 2);
    let next = Config { max_pushes: 1, push_ttl: Duration::from_secs(1), ..Config::default() };
    world.collector.reconfigure(world.now, next);
    assert_eq!(world.collector.held_pushes(), 2);
    push(&mut world, "c", "c 1\n");
    assert_eq!(world.collector.held_pushes(), 2, "there is no room");
    // They keep the time of expiry that they were given.
    let later = world.now + Duration::from_secs(60);
    world.collector.handle_timeout(later);
    assert_eq!(world.collector.held_pushes(), 2);
    world
        .collector
        .reconfigure(later, Config { push_ttl: Duration::from_secs(1), ..Config::default() });
    world.now = later;
    push(&mut world, "d", "d 1\n");
    assert_eq!(world.collector.held_pushes(), 3);
    world.collector.handle_timeout(later + Duration::from_secs(2));
    assert_eq!(world.collector.held_pushes(), 2);
}

#[test]
fn a_text_keeps_the_policy_that_it_was_read_by() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.start();
    world.answer(app, "a 1\n");
    let job = world.collector.poll_job().unwrap();
    let done = work_one(job);
    let answer = done.result.as_ref().unwrap();
    let names: Vec<&str> = answer.policy.identity_labels.iter().map(|name| &**name).collect();
    assert_eq!((names, answer.inject), (vec!["application", "instance"], Inject::Missing));
}
