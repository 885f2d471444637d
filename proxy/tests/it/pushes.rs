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
