//! Pushes: when they are acknowledged, when they stand in, and when they are forgotten.

use super::*;

#[test]
fn a_push_is_acknowledged_once_it_is_held_and_served_to_a_scraper_once() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let stream_id = world.push(app, "last 9\n");
    assert_eq!(world.peer(app).outcomes, [], "not opened yet, so not held");
    world.work();
    let acknowledged = Event::Response { stream_id, payload: Some(Payload::default()) };
    assert_eq!(world.peer(app).outcomes, [acknowledged]);
    world.cut(app);
    assert_eq!(world.collector.held_pushes(), 1);
    assert_eq!(world.scrape_in_vain(), [served("a", "last 9\n")]);
    assert_eq!(world.scrape_in_vain(), [failed("a", "gone")]);
}

#[test]
fn an_outcome_tells_what_a_push_stands_in_for() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "last 9\n");
    world.work();
    world.cut(app);
    let scrape = world.start();
    let Progress::Outcome(outcome) = world.collector.poll_scrape(scrape) else { panic!() };
    assert_eq!(outcome.failure(), Some(&ScrapeFailure::Gone));
    assert!(outcome.result.unwrap().is_push);
    assert_eq!(world.take(scrape).1, Some(summary(1, 1, 1)));
}

#[test]
fn a_push_that_did_not_reach_the_scraper_is_served_again() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "last 9\n");
    world.work();
    world.cut(app);
    for delivered in [false, true] {
        let scrape = world.start();
        assert_eq!(world.take(scrape).0, [served("a", "last 9\n")]);
        world.collector.end_scrape(scrape, delivered);
    }
    assert_eq!(world.scrape_in_vain(), [failed("a", "gone")]);
}

#[test]
fn a_push_stands_in_for_an_application_that_goes_while_it_is_asked() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.push(app, "last 9\n");
    world.cut(app);
    // It is not opened yet, so the scrape waits for it.
    assert_eq!(world.take(scrape), (vec![], None));
    world.work();
    let expected = (vec![served("a", "last 9\n")], Some(summary(1, 1, 1)));
    assert_eq!(world.take(scrape), expected);
    assert_eq!(world.failures(), []);
}

#[test]
fn a_push_that_fails_to_open_leaves_the_scrape_with_its_own_failure() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.push(app, "not { metrics\n");
    world.cut(app);
    world.work();
    assert_eq!(world.take(scrape).0, [failed("a", "closed")]);
    // A scrape does not wait beyond its deadline for a push that is being opened.
    let app = world.connect_as("b");
    let scrape = world.start();
    world.push(app, "last 9\n");
    world.cut(app);
    world.advance(Duration::from_secs(10));
    assert_eq!(world.take(scrape).0, [failed("a", "gone"), failed("b", "closed")]);
}

#[test]
fn a_push_stands_in_for_an_application_that_hangs_or_fails() {
    for rubbish in [false, true] {
        let mut world = World::new(Config::default());
        let app = world.connect_as("a");
        world.push(app, "last 9\n");
        world.work();
        let scrape = world.start();
        if rubbish {
            world.answer(app, "not { metrics\n");
            world.work();
        }
        world.advance(Duration::from_secs(10));
        let expected = (vec![served("a", "last 9\n")], Some(summary(1, 1, 1)));
        assert_eq!(world.take(scrape), expected);
        assert!(world.has_notice(|notice| matches!(notice, Notice::ScrapeFailing { .. })));
    }
}

#[test]
fn an_answer_that_was_asked_for_after_a_push_supersedes_it() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "counter 1\n");
    world.work();
    let scrape = world.start();
    world.answer(app, "counter 5\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "counter 5\n")]);
    world.collector.end_scrape(scrape, true);
    world.cut(app);
    assert_eq!(world.scrape_in_vain(), [failed("a", "gone")], "never 5, then 1");
    assert!(world.has_notice(|notice| matches!(notice, Notice::PushSuperseded { .. })));
}

#[test]
fn an_answer_that_was_asked_for_before_a_push_does_not_supersede_it() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.push(app, "counter 5\n");
    world.answer(app, "counter 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "counter 1\n")]);
    world.collector.end_scrape(scrape, true);
    world.cut(app);
    assert_eq!(world.scrape_in_vain(), [served("a", "counter 5\n")]);
}

#[test]
fn pushes_follow_who_comes_back() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "counter 1\n");
    world.work();
    world.cut(app);
    let again = world.connect_as("a");
    assert!(world.app(again).has_push);
    assert_eq!(world.scrape_in_vain(), [served("a", "counter 1\n")], "it hangs");
    world.push(again, "counter 2\n");
    world.push(again, "counter 3\n");
    world.work();
    assert_eq!(world.collector.held_pushes(), 1);
    // Of two with one identity, the later push is kept.
    let second = world.connect_as("a");
    world.push(second, "counter 4\n");
    world.work();
    world.cut(second);
    assert_eq!(world.collector.held_pushes(), 1);
    assert_eq!(world.scrape_in_vain(), [served("a", "counter 4\n")]);
}

#[test]
fn an_entry_is_kept_while_a_push_is_held_for_it() {
    let config = Config { max_gone: 0, grace: Duration::ZERO, ..Config::default() };
    let mut world = World::new(config);
    let app = world.connect();
    world.push(app, "last 9\n");
    world.cut(app);
    world.advance(Duration::from_secs(60));
    world.work();
    assert_eq!(world.collector.entries(), 1);
    let listed = |world: &World| world.collector.targets(world.now).count();
    assert_eq!(listed(&world), 1);
    assert_eq!(world.scrape_in_vain(), [served("connection-1", "last 9\n")]);
    assert_eq!(world.scrape_in_vain(), [], "it is kept for other scrapers alone");
    assert_eq!((world.collector.entries(), listed(&world)), (1, 0));
    world.advance(Config::default().push_ttl);
    assert_eq!(world.collector.entries(), 0);
}

#[test]
fn a_push_that_cannot_be_opened_is_refused_without_saying_at_which_step() {
    let mut world = World::new(Config::default());
    let app = world.connect();
    world.push(app, "not { metrics\n");
    world.work();
    let [Event::RequestFailed { error, .. }] = &world.peer(app).outcomes[..] else {
        panic!("the push is refused");
    };
    assert!(error.to_string().ends_with("the push is not stored: it cannot be opened or read"));
    assert_eq!(world.collector.held_pushes(), 0);
}

#[test]
fn pushes_have_a_time_and_a_number_to_live_by() {
    let config = Config { max_pushes: 1, ..Config::default() };
    let mut world = World::new(config.clone());
    let (first, second) = (world.connect_as("a"), world.connect_as("b"));
    world.push(first, "first 1\n");
    world.push(second, "second 1\n");
    assert!(matches!(&world.peer(second).outcomes[..], [Event::RequestFailed { .. }]));
    world.work();
    world.cut(first);
    world.advance(config.push_ttl);
    assert_eq!(world.collector.held_pushes(), 0);
    assert!(world.has_notice(|notice| matches!(notice, Notice::PushExpired { .. })));
}

#[test]
fn bytes_of_pushes_are_bounded_also_while_they_are_opened() {
    let config = Config { max_push_bytes: 30, ..Config::default() };
    let mut world = World::new(config);
    let apps = [world.connect_as("a"), world.connect_as("b"), world.connect_as("c")];
    for app in apps {
        world.push(app, "counter 1\n");
    }
    world.work();
    assert_eq!(world.collector.held_pushes(), 1);
}

/// Two live applications with one identity are merged while a scrape asks both: the held push stands in once.
#[test]
fn a_push_is_in_a_scrape_once_also_where_entries_are_merged() {
    let mut world = World::new(Config::default());
    let (first, second) = (world.connect_as("a"), world.connect_as("a"));
    world.push(first, "last 9\n");
    world.work();
    let scrape = world.start();
    world.cut(first);
    world.cut(second);
    let expected = [served("a", "last 9\n"), failed("a~~2", "closed")];
    assert_eq!(world.take(scrape), (expected.into(), Some(summary(2, 1, 1))));
}
