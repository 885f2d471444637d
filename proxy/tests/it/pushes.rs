use super::world::{World, exchange, get};
use crate::app::App;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Event, StreamFailure};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const HELD: &str = "prometheus_proxy_pushes_held";

#[test]
fn an_acknowledged_push_is_served_to_each_scraper_once() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let payload = app.sealed(b"last 1\n");
    let stream_id = app.connection().request_response(payload).unwrap();
    let acknowledged = Event::Response { stream_id, payload: Some(Payload::default()) };
    assert_eq!(app.next(), acknowledged);
    assert_eq!(world.own(HELD), 1.0);
    drop(app);
    world.wait_own("prometheus_proxy_scrape_active_connections", 0.0);
    let by = |path: &str, headers: &str| get(world.http, path, headers).text();
    for _ in 0..2 {
        // Whoever looks takes nothing from those who scrape.
        exchange(
            world.http,
            b"HEAD /metrics/connected HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        );
    }
    // Who gives no name at all has its connection.
    for _ in 0..2 {
        let answer = exchange(
            world.http,
            b"GET /metrics/connected HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        );
        assert!(String::from_utf8_lossy(&answer).contains("last 1\n"));
    }
    for text in ["last 1\n", ""] {
        assert_eq!(world.scrape().text(), text);
        assert_eq!(by("/metrics/connected", "User-Agent: Prometheus/3\r\n"), text);
        assert_eq!(by("/metrics/connected?scraper=one", ""), text);
        assert_eq!(by("/metrics/connected?x=y&scraper=two", ""), text);
    }
    world.wait_own("prometheus_proxy_pushes_served_total", 6.0);
    assert_eq!(world.own(HELD), 1.0);
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
    assert_eq!(world.scrape_with(gzip).text(), "");
}

#[test]
fn the_same_bytes_over_another_connection_are_held_once() {
    let world = World::start(&[]);
    let app = App::connect(world.tcp);
    let payload = app.sealed(b"last 1\n");
    for mut app in [app, App::connect(world.tcp)] {
        app.connection().request_response(payload.clone()).unwrap();
        assert!(matches!(app.next(), Event::Response { .. }));
    }
    assert_eq!(world.own(HELD), 1.0);
    let series = "prometheus_proxy_pushes_total{kind=\"request_response\",outcome=\"repeated\"}";
    assert_eq!(world.own(series), 1.0);
}

#[test]
fn two_scrapes_at_once_on_one_connection_get_each_push_once() {
    let world = World::start(&["--max-push-rate=1000"]);
    let names: Vec<String> = (0..40).map(|nth| format!("pushed_{nth}_end 1\n")).collect();
    for name in &names {
        push(&mut App::connect(world.tcp), name.as_bytes());
    }
    world.wait_own("prometheus_proxy_scrape_active_connections", 0.0);
    for round in 0..2 {
        let get = "GET /metrics/connected HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\n";
        let both =
            exchange(world.http, format!("{get}\r\n{get}Connection: close\r\n\r\n").as_bytes());
        let text = String::from_utf8_lossy(&both);
        let counts = names.iter().map(|name| text.matches(&**name).count());
        assert_eq!(counts.collect::<Vec<_>>(), [1 - round; 40], "round {round}");
    }
}

#[test]
fn pushes_of_several_kinds_are_in_one_answer_and_the_later_value_counts() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    for text in ["a 1\nb 1\n", "b 2\nc 2\n"] {
        push(&mut app, text.as_bytes());
    }
    drop(app);
    world.wait_own("prometheus_proxy_scrape_active_connections", 0.0);
    assert_eq!(world.scrape().text(), "a 1\nb 2\nc 2\n");
    let app = "/metrics/app/connection-1";
    assert_eq!(get(world.http, app, "User-Agent: one\r\n").text(), "a 1\nb 2\nc 2\n");
    let open_metrics = "Accept: application/openmetrics-text; version=1.0.0\r\nUser-Agent: om\r\n";
    let text = get(world.http, "/metrics/connected", open_metrics).text();
    let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(values.iter().filter(|line| line.starts_with("b ")).collect::<Vec<_>>(), [&"b 2"]);
}

#[test]
fn a_scraper_has_a_name_of_bounded_length() {
    let world = World::start(&[]);
    for (len, status) in [(0, "400 Bad Request"), (128, "200 OK"), (129, "400 Bad Request")] {
        let path = format!("/metrics/connected?scraper={}", "x".repeat(len));
        assert_eq!(get(world.http, &path, "").status(), status, "{len}");
    }
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
    answering.iter_mut().for_each(|app| push(app, b"pushed 1\n"));
    let scraping = world.scrape();
    for app in &mut answering {
        app.answer_text("answer 1\n");
    }
    scraping.text();
    let mut newcomer = App::connect(world.tcp);
    // Until it is known that the answer was read, nothing gives way.
    while !try_push(&mut newcomer, b"pushed 1\n") {
        thread::sleep(Duration::from_millis(100));
    }
    // A second one needs room of its own while it is opened.
    push(&mut newcomer, b"pushed 2\n");
    assert_eq!(world.own(HELD), 1.0);
    for (cause, count) in [("delivered", 2.0), ("replaced", 1.0), ("expired", 0.0)] {
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
    assert!(try_push(app, text));
}

/// Pushes, and says whether the push is stored.
fn try_push(app: &mut App, text: &[u8]) -> bool {
    let payload = app.sealed(text);
    app.connection().request_response(payload).unwrap();
    match app.next() {
        Event::Response { .. } => true,
        Event::RequestFailed { .. } => false,
        event => panic!("{event:?}"),
    }
}
