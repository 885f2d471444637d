use super::world::World;
use crate::app::App;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Event, StreamFailure};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

const HELD: &str = "prometheus_proxy_pushes_held";

#[test]
fn an_acknowledged_push_is_served_to_the_next_scrape_alone() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let payload = app.sealed(b"last 1\n");
    let stream_id = app.connection().request_response(payload).unwrap();
    let acknowledged = Event::Response { stream_id, payload: Some(Payload::default()) };
    assert_eq!(app.next(), acknowledged);
    assert_eq!(world.own(HELD), 1.0);
    drop(app);
    world.wait_own("prometheus_proxy_scrape_active_connections", 0.0);
    assert_eq!(world.scrape().text(), "last 1\n");
    world.wait_own(HELD, 0.0);
    assert_eq!(world.scrape().text(), "");
    assert_eq!(world.own("prometheus_proxy_pushes_served_total"), 1.0);
}

#[test]
fn a_push_told_and_forgotten_before_closing_is_served() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let payload = app.sealed(b"last 1\n");
    app.connection().fire_and_forget(payload).unwrap();
    // As Java's pushAndClose: the ERROR frame and the end follow at once.
    app.connection().close(Instant::now(), ErrorCode::CONNECTION_ERROR, "Disposed");
    app.flush();
    drop(app);
    world.wait_own(HELD, 1.0);
    world.wait_own("prometheus_proxy_scrape_active_connections", 0.0);
    let gzip = "Accept-Encoding: gzip\r\n";
    assert_eq!(world.scrape_with(gzip).text(), "last 1\n");
    world.wait_own(HELD, 0.0);
}

#[test]
fn a_push_that_cannot_be_opened_is_refused() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let payload = Payload::new(vec![1; 256], vec![2; 32]);
    let stream_id = app.connection().request_response(payload).unwrap();
    let Event::RequestFailed { stream_id: failed, error: StreamFailure::Error { code, data } } =
        app.next()
    else {
        panic!("the push fails");
    };
    assert_eq!((failed, code), (stream_id, ErrorCode::APPLICATION_ERROR));
    assert_eq!(data, "the push is not stored: it cannot be opened or read");
    let rejected = "prometheus_proxy_pushes_total{kind=\"request_response\",outcome=\"rejected\"}";
    assert_eq!(world.own(rejected), 1.0);
    assert_eq!(world.own(HELD), 0.0);
}

#[test]
fn a_push_outlives_a_scraper_that_breaks_off() {
    let world = World::start(&[]);
    // Before the one that is held, one that keeps the round open.
    let mut open = App::connect(world.tcp);
    let mut app = App::connect(world.tcp);
    let payload = app.sealed(b"last 1\n");
    app.connection().request_response(payload).unwrap();
    app.next();
    drop(app);
    world.wait_own("prometheus_proxy_scrape_active_connections", 1.0);
    let mut scraper = TcpStream::connect(world.http).unwrap();
    scraper.write_all(b"GET /metrics/connected HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let stream_id = open.asked();
    drop(scraper);
    // The proxy has noticed, and so asks for nothing more.
    assert_eq!(open.next(), Event::Canceled { stream_id });
    let aborted = "prometheus_proxy_scrape_rounds_seconds_count{outcome=\"aborted\"}";
    world.wait_own(aborted, 1.0);
    assert_eq!(world.own(HELD), 1.0);
    let scraping = world.scrape();
    open.answer_text("open 2\n");
    assert_eq!(scraping.text(), "open 2\nlast 1\n");
}

#[test]
fn pushes_of_those_who_still_answer_make_room_for_others() {
    let world = World::start(&["--max-held-pushes=2"]);
    let mut answering = [App::connect(world.tcp), App::connect(world.tcp)];
    let scraping = world.scrape();
    for app in &mut answering {
        app.answer_text("answer 1\n");
    }
    scraping.text();
    let mut newcomer = App::connect(world.tcp);
    let [first, second] = &mut answering;
    for app in [first, second, &mut newcomer] {
        push(app, b"pushed 1\n");
    }
    // A second one needs room of its own while it is opened.
    push(&mut newcomer, b"pushed 2\n");
    assert_eq!(world.own(HELD), 1.0);
    for (cause, count) in [("evicted", 2.0), ("replaced", 1.0), ("expired", 0.0)] {
        let series = format!("prometheus_proxy_pushes_dropped_total{{cause=\"{cause}\"}}");
        assert_eq!(world.own(&series), count, "{cause}");
    }
}

#[test]
fn one_that_pushes_without_pause_is_told_so_and_others_are_served() {
    let world = World::start(&["--max-push-rate=1"]);
    let (mut flood, mut good) = (App::connect(world.tcp), App::connect(world.tcp));
    for _ in 0..200 {
        let payload = flood.sealed(b"flood 1\n");
        flood.connection().fire_and_forget(payload).unwrap();
    }
    let payload = flood.sealed(b"flood 1\n");
    flood.connection().request_response(payload).unwrap();
    flood.flush();
    push(&mut good, b"good 1\n");
    let Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } = flood.next() else {
        panic!("the push is refused");
    };
    let reason = String::from_utf8_lossy(&data).into_owned();
    assert!(reason.contains("this application"), "{reason}");
    assert!(world.own("prometheus_proxy_application_error_total{cause=\"over_share\"}") > 100.0);
    let scraping = world.scrape();
    good.answer_text("good 2\n");
    flood.answer_text("flood 2\n");
    assert_eq!(scraping.text(), "flood 2\ngood 2\n");
}

/// Pushes, and waits until that is acknowledged.
fn push(app: &mut App, text: &[u8]) {
    let payload = app.sealed(text);
    app.connection().request_response(payload).unwrap();
    let event = app.next();
    assert!(matches!(event, Event::Response { .. }), "{event:?}");
}
