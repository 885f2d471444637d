use super::world::{World, exchange, get};
use crate::app::App;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Event};
use std::time::{Duration, Instant};

/// What the proxy ends a connection with.
fn ended(app: &mut App) -> String {
    loop {
        match app.next() {
            Event::Closed { reason: CloseReason::PeerError { message, .. } } => return message,
            Event::Closed { reason } => panic!("{reason}"),
            _ => {}
        }
    }
}

#[test]
fn a_proxy_that_is_to_stop_is_not_ready_and_goes_on_for_a_while() {
    let world = World::start(&["--drain-delay=1s"]);
    let mut app = App::connect(world.tcp);
    assert_eq!(get(world.http, "/-/ready", "").status(), "200 OK");
    world.begin_stop();
    while get(world.http, "/-/ready", "").status() == "200 OK" {}
    assert_eq!(get(world.http, "/-/healthy", "").status(), "200 OK");
    let mut late = App::connect(world.tcp);
    let scraping = world.scrape();
    app.answer_text("a 1\n");
    late.answer_text("b 1\n");
    assert_eq!(scraping.text(), "a 1\nb 1\n");
    ended(&mut app);
    ended(&mut late);
    world.stopped();
}

#[test]
fn connections_are_let_go_one_after_the_other() {
    let world = World::start(&["--drain-spread=1s"]);
    let mut apps: Vec<App> = (0..4).map(|_| App::connect(world.tcp)).collect();
    let start = Instant::now();
    world.begin_stop();
    let ends: Vec<Duration> = apps
        .iter_mut()
        .map(|app| {
            assert_eq!(ended(app), "the proxy is shutting down");
            start.elapsed()
        })
        .collect();
    // The first one goes at once, the last one three quarters of a second later.
    assert!(ends[3] - ends[0] > Duration::from_millis(500), "{ends:?}");
    world.stopped();
}

#[test]
fn pushes_are_waited_for_and_served_while_applications_are_refused() {
    let world = World::start(&["--push-linger=20s"]);
    let mut app = App::connect(world.tcp);
    let payload = app.sealed(b"last_words 1\n");
    app.connection().request_response(payload).unwrap();
    assert!(matches!(app.next(), Event::Response { .. }));
    drop(app);
    world.wait_tables(|tables| tables.held_pushes == 1 && tables.connections == 0);
    world.begin_stop();
    while get(world.http, "/-/ready", "").status() == "200 OK" {}
    let refused = exchange(world.tcp, b"");
    assert!(String::from_utf8_lossy(&refused).contains("the proxy is shutting down"));
    assert_eq!(world.scrape().text(), "last_words 1\n");
    world.stopped();
}

#[test]
fn a_connection_that_has_its_longest_age_ends_and_its_application_is_not_missed() {
    let world = World::start(&["--max-connection-age=1s"]);
    let mut app = App::connect(world.tcp);
    let scraping = world.scrape();
    let asked = app.asked();
    // Its age is reached meanwhile, and it is not cut off.
    std::thread::sleep(Duration::from_millis(1500));
    let payload = app.sealed(b"a 1\n");
    app.connection().respond(asked, payload).unwrap();
    app.flush();
    assert_eq!(scraping.text(), "a 1\n");
    assert!(ended(&mut app).contains("--max-connection-age"));
    let mut app = App::connect(world.tcp);
    let scraping = world.scrape();
    app.answer_text("a 2\n");
    assert_eq!(scraping.text(), "a 2\n");
}

#[test]
fn connections_end_before_pushes_are_waited_for() {
    let world = World::start(&["--push-linger=20s"]);
    let mut pushing = App::connect(world.tcp);
    let payload = pushing.sealed(b"last_words 1\n");
    pushing.connection().request_response(payload).unwrap();
    assert!(matches!(pushing.next(), Event::Response { .. }));
    drop(pushing);
    let mut idle = App::connect(world.tcp);
    world.begin_stop();
    // What it pushed later would be acknowledged and lost.
    assert_eq!(ended(&mut idle), "the proxy is shutting down");
    // HTTP goes on, and so the push was waited for after that.
    assert!(world.scrape().text().contains("last_words 1\n"));
    world.stopped();
}
