//! Identities of applications: paths, returning applications, and duplicates.

use super::*;
use crate::collector::identity::{path_of, path_of_connection};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_path_is_made_of_the_labels_alone_and_safe_in_a_url() {
    let path = |pairs: &[(&str, &str)]| path_of(&labels(pairs));
    assert_eq!(path(&[("instance", "web-1.example.com")]), "web-1.example.com");
    assert_eq!(path(&[("instance", "a"), ("application", "orders")]), "orders~a");
    assert_eq!(path(&[("host", "a")]), "a~~815db7b4ed9b");
    let odd: [&[(&str, &str)]; 10] = [
        &[("instance", "a b")],
        &[("instance", "a/b")],
        &[("instance", "..")],
        &[("instance", "ä")],
        &[("instance", "connection-1")],
        &[("application", "a"), ("instance", "b/")],
        &[("host", "a"), ("pod", "b")],
        &[("pod", "a"), ("host", "b")],
        &[("host", "ab"), ("pod", "c")],
        &[("host", "a"), ("pod", "bc")],
    ];
    let mut paths: Vec<String> = odd.into_iter().map(path).collect();
    for path in &paths {
        let is_safe = |char: char| char.is_ascii_alphanumeric() || "._~-".contains(char);
        assert!(path.contains("~~") && path.chars().all(is_safe), "{path}");
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), odd.len());
    let long = "x".repeat(256);
    let many: Vec<(String, &str)> = (0..16).map(|n| (format!("l{n}"), &*long)).collect();
    assert!(path_of(&Labels::new(many).unwrap()).len() < 150);
    assert_eq!(path_of_connection(ConnectionId(7)), "connection-7");
}

#[test]
fn who_comes_back_has_its_entry_again() {
    let mut world = World::new(Config::default());
    let (first, other) = (world.connect_as("a"), world.connect_as("b"));
    let entry = world.app(first).id;
    world.cut(first);
    assert!(world.collector.app(entry).unwrap().is_gone());
    assert_eq!(world.scrape_in_vain(), [failed("a", "gone"), failed("b", "timeout")]);
    let again = world.connect_as("a");
    assert_eq!((world.app(again).id, &*world.app(again).path), (entry, "a"));
    let came_back = Notice::Connected {
        app: AppRef::from(world.app(again)),
        came_back: true,
        is_duplicate: false,
    };
    assert!(world.has_notice(|notice| *notice == came_back));
    let scrape = world.start();
    world.answer(again, "a 1\n");
    world.answer(other, "b 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "a 1\n"), served("b", "b 1\n")]);
    assert_eq!(world.collector.entries(), 2);
}

#[test]
fn an_identity_learnt_at_the_first_scrape_brings_its_entry_back() {
    let mut world = World::new(Config::default());
    let text = "ok{application=\"orders\",instance=\"a\"} 1\n";
    let first = world.connect();
    let other = world.connect();
    let scrape = world.start();
    world.answer(first, text);
    world.answer(other, "ok 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("orders~a", text), served("connection-2", "ok 1\n")]);
    world.collector.end_scrape(scrape, true);
    assert_eq!(world.app(first).source, IdentitySource::Text);
    let entry = world.app(first).id;
    world.cut(first);
    let again = world.connect();
    assert_eq!(&*world.app(again).path, "connection-3");
    let scrape = world.start();
    world.answer(other, "ok 1\n");
    world.answer(again, text);
    world.work();
    // The outcome of the entry that had gone was waiting to be handed out; this one replaces it.
    let (outcomes, over) = world.take(scrape);
    assert_eq!(outcomes, [served("orders~a", text), served("connection-2", "ok 1\n")]);
    assert_eq!(over, Some(summary(2, 2, 0)));
    assert_eq!(world.app(again).id, entry);
    assert_eq!(world.collector.pending_bytes(), 0);
}

#[test]
fn no_two_outcomes_of_a_scrape_have_one_path() {
    let mut world = World::new(Config::default());
    let text = "ok{instance=\"a\"} 1\n";
    let first = world.connect_as("a");
    world.cut(first);
    let again = world.connect();
    let scrape = world.start();
    assert_eq!(world.take(scrape).0, [failed("a", "gone")]);
    world.answer(again, text);
    world.work();
    assert_eq!(world.take(scrape).0, [served("connection-2", text)]);
    assert_eq!(&*world.app(again).path, "a", "from the next scrape on");
}

#[test]
fn two_with_one_identity_are_both_served_and_flagged() {
    let mut world = World::new(Config::default());
    let (first, second) = (world.connect_as("a"), world.connect_as("a"));
    assert_eq!(&*world.app(second).path, "a~~2");
    assert!(world.app(first).is_duplicate && world.app(second).is_duplicate);
    assert!(world.has_notice(|notice| matches!(
        notice,
        Notice::Connected { is_duplicate: true, came_back: false, .. }
    )));
    let scrape = world.start();
    world.answer(first, "a 1\n");
    world.answer(second, "b 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "a 1\n"), served("a~~2", "b 1\n")]);

    // The older one goes, as if its connection had broken: the other is the same application over another transport.
    let entry = world.app(first).id;
    world.cut(first);
    assert_eq!((world.app(second).id, &*world.app(second).path), (entry, "a"));
    assert!(!world.app(second).is_duplicate);
    assert_eq!(world.collector.entries(), 1);
}

/// Connects an application with identity `a` by hello or text, and checks its path.
#[track_caller]
fn claims(world: &mut World, by_text: bool, path: &str) -> ConnectionId {
    let app = if by_text { world.connect() } else { world.connect_as("a") };
    let id = world.app(app).id;
    let scrape = world.start_for(Targets::Some(vec![id]));
    world.answer(app, "ok{instance=\"a\"} 1\n");
    world.work();
    world.take(scrape);
    world.collector.end_scrape(scrape, true);
    assert_eq!(&*world.app(app).path, path);
    app
}

#[test]
fn whoever_had_an_identity_first_keeps_it_as_long_as_its_connection_lives() {
    for (first_by_text, second_by_text) in
        [(false, false), (false, true), (true, false), (true, true)]
    {
        let mut world = World::new(Config::default());
        // It may have connected later than another.
        let earlier = world.connect();
        let first = claims(&mut world, first_by_text, "a");
        let entry = world.app(first).id;
        let second = claims(&mut world, second_by_text, "a~~2");
        // It is half open: it does not answer, and the proxy has not noticed yet.
        let scrape = world.start_for(Targets::Some(vec![entry]));
        world.advance(20 * SECOND);
        assert_eq!(world.take(scrape).0, [failed("a", "timeout")]);
        world.collector.end_scrape(scrape, true);
        let scrape = world.start();
        world.answer(earlier, "ok{instance=\"a\"} 1\n");
        world.work();
        assert_eq!(&*world.app(earlier).path, "a~~3");
        world.answer(second, "ok{instance=\"a\"} 2\n");
        world.work();
        world.take(scrape);
        world.collector.end_scrape(scrape, true);
        assert_eq!((world.app(first).id, &*world.app(first).path), (entry, "a"));
        // Others connect and leave.
        world.cut(second);
        world.cut(earlier);
        let third = claims(&mut world, second_by_text, "a~~2");
        assert_eq!((world.app(first).id, &*world.app(first).path), (entry, "a"));
        assert_ne!(world.app(third).id, entry);
        assert_eq!(world.collector.app_at("a").map(|app| app.id), Some(entry));
    }
}

#[test]
fn of_two_with_one_identity_the_younger_leaves_nothing() {
    let mut world = World::new(Config::default());
    let (first, second) = (world.connect_as("a"), world.connect_as("a"));
    let scrape = world.start();
    world.cut(second);
    assert_eq!(world.collector.entries(), 1);
    assert!(!world.app(first).is_duplicate);
    world.answer(first, "a 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "a 1\n"), failed("a~~2", "closed")]);
}

#[test]
fn a_request_of_an_entry_that_was_merged_is_answered_in_its_slot() {
    let mut world = World::new(Config::default());
    let (first, second) = (world.connect_as("a"), world.connect_as("a"));
    let scrape = world.start();
    world.cut(first);
    world.answer(second, "b 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [failed("a", "closed"), served("a~~2", "b 1\n")]);
    assert_eq!(world.collector.pending_bytes(), 0);
}

#[test]
fn an_entry_is_kept_for_its_grace_time_and_then_forgotten() {
    let config = Config { grace: 60 * SECOND, ..Config::default() };
    let mut world = World::new(config);
    let app = world.connect_as("a");
    world.cut(app);
    world.advance(49 * SECOND);
    assert_eq!(world.scrape_in_vain(), [failed("a", "gone")]);
    world.advance(SECOND);
    assert_eq!((world.collector.entries(), world.collector.poll_timeout()), (0, None));
    assert_eq!(world.scrape_in_vain(), []);
    assert!(world.collector.app_at("a").is_none());
}

#[test]
fn one_without_identity_is_told_of_as_gone_if_it_was_ever_asked() {
    let mut world = World::new(Config::default());
    let (asked, unasked) = (world.connect(), world.connect());
    let id = world.app(asked).id;
    let scrape = world.start_for(Targets::Some(vec![id]));
    world.answer(asked, "a 1\n");
    world.work();
    world.collector.end_scrape(scrape, true);
    world.cut(asked);
    world.cut(unasked);
    assert_eq!(world.scrape_in_vain(), [failed("connection-1", "gone")]);
}

#[test]
fn a_connection_without_setup_leaves_nothing() {
    let mut world = World::new(Config::default());
    let id = world.collector.accept(world.now, peer()).unwrap();
    assert_eq!(world.scrape_in_vain(), []);
    world.collector.remove(world.now, id);
    world.run();
    assert_eq!(world.collector.entries(), 0);
    assert!(world.has_notice(|notice| matches!(notice, Notice::Gone { was_connected: false, .. })));
}

#[test]
fn entries_of_those_that_are_gone_are_bounded_oldest_first() {
    let mut world = World::new(Config { max_gone: 2, ..Config::default() });
    for name in ["a", "b", "c"] {
        let app = world.connect_as(name);
        world.advance(SECOND);
        world.cut(app);
    }
    let paths: Vec<String> = world.collector.apps().map(|app| app.path.to_string()).collect();
    assert_eq!(paths, ["b", "c"]);
}

#[test]
fn a_malformed_hello_is_ignored_and_its_application_served() {
    let mut world = World::new(Config::default());
    let mut setup = setup(&Hello::new(labels(&[("instance", "a")]), "test/1"));
    let mut metadata = setup.payload.metadata.unwrap().to_vec();
    // The last field says that reports are read, and has no bytes.
    *metadata.last_mut().unwrap() = 9;
    setup.payload.metadata = Some(metadata.into());
    let app = world.connect_with(setup);
    assert!(world.has_notice(|notice| matches!(notice, Notice::HelloIgnored { .. })));
    let scrape = world.start();
    world.answer(app, "a 1\n");
    world.work();
    assert_eq!(world.take(scrape).0, [served("connection-1", "a 1\n")]);
}

#[test]
fn labels_said_in_setup_come_before_those_of_the_text() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("said");
    let scrape = world.start();
    world.answer(app, "ok{instance=\"found\"} 1\n");
    world.work();
    world.take(scrape);
    assert_eq!((world.app(app).source, &*world.app(app).path), (IdentitySource::Hello, "said"));
}

#[test]
fn a_clean_end_is_ordinary() {
    let disposed = CloseReason::PeerError {
        code: ErrorCode::CONNECTION_ERROR,
        message: "Disposed".to_owned(),
    };
    assert!(is_ordinary(&disposed));
    assert!(is_ordinary(&CloseReason::Eof { unfinished: 0 }));
    assert!(!is_ordinary(&CloseReason::Eof { unfinished: 1 }));
    assert!(!is_ordinary(&CloseReason::KeepAliveTimeout { after: SECOND }));
}
