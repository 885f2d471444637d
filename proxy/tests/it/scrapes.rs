use super::OPTION;
use super::world::{World, get};
use crate::app::App;
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Event};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;

const GZIP: &str = "Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 20\r\n";

#[test]
fn all_applications_are_in_one_answer_in_the_order_of_connecting() {
    let world = World::start(&[]);
    let mut apps: Vec<App> = (0..3).map(|_| App::connect(world.tcp)).collect();
    for headers in ["", GZIP] {
        let scraping = world.scrape_with(headers);
        for number in [2, 0, 1] {
            apps[number].answer_text(&format!("answer{{app=\"{number}\"}} {number}\n# EOF\n"));
        }
        let answer = scraping.answer();
        assert!(
            answer.head.contains("text/plain; version=0.0.4; charset=utf-8"),
            "{}",
            answer.head
        );
        assert_eq!(answer.head.contains("content-encoding: gzip"), headers == GZIP);
        let expected = "answer{app=\"0\"} 0\nanswer{app=\"1\"} 1\nanswer{app=\"2\"} 2\n";
        assert_eq!(answer.text(), expected);
    }
    world.wait_own("prometheus_proxy_scrape_seconds_count{outcome=\"success\"}", 6.0);
    world.wait_own("prometheus_proxy_scrape_active_connections", 3.0);
    drop(apps);
    world.wait_own("prometheus_proxy_scrape_active_connections", 0.0);
    world.stopped();
}

#[test]
fn without_applications_the_answer_is_empty() {
    let world = World::start(&[]);
    assert_eq!(world.scrape().text(), "");
    assert_eq!(world.scrape_with(GZIP).text(), "");
}

#[test]
fn a_hung_application_is_left_out_at_the_scrapers_deadline() {
    let world = World::start(&[]);
    let (mut hung, mut live) = (App::connect(world.tcp), App::connect(world.tcp));
    let scraping = world.scrape_with("X-Prometheus-Scrape-Timeout-Seconds: 1.5\r\n");
    let stream_id = hung.asked();
    live.answer_text("live 1\n");
    assert_eq!(scraping.text(), "live 1\n");
    assert_eq!(hung.next(), Event::Canceled { stream_id });
    world.wait_own("prometheus_proxy_scrape_seconds_count{outcome=\"timeout\"}", 1.0);
    // It is asked again, and its answer is welcome.
    let scraping = world.scrape();
    hung.answer_text("hung 1\n");
    live.answer_text("live 2\n");
    assert_eq!(scraping.text(), "hung 1\nlive 2\n");
}

#[test]
fn an_application_that_goes_while_it_is_asked_is_left_out_at_once() {
    let world = World::start(&[]);
    let (mut going, mut live) = (App::connect(world.tcp), App::connect(world.tcp));
    let scraping = world.scrape();
    going.asked();
    drop(going);
    live.answer_text("live 1\n");
    assert_eq!(scraping.text(), "live 1\n");
    world.wait_own("prometheus_proxy_scrape_seconds_count{outcome=\"closed\"}", 1.0);
}

#[test]
fn two_scrapers_at_once_each_get_all() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let first = world.scrape();
    let stream_id = app.asked();
    let second = world.scrape_with(GZIP);
    world.wait_tables(|tables| tables.scrapes == 2);
    // One answer is for both.
    let payload = app.sealed(b"a 1\n");
    app.connection().respond(stream_id, payload).unwrap();
    app.flush();
    assert_eq!((first.text(), second.text()), ("a 1\n".to_owned(), "a 1\n".to_owned()));
    world.wait_tables(|tables| tables.scrapes == 0 && tables.requests == 0);
}

#[test]
fn an_answer_ends_with_the_state_of_every_application() {
    let world = World::start(&["--app-metrics=on"]);
    let (gone, mut live) = (App::connect(world.tcp), App::connect(world.tcp));
    let mut failing = App::connect(world.tcp);
    let scraping = world.scrape();
    let stream_id = failing.asked();
    failing.connection().reject(stream_id, ErrorCode::APPLICATION_ERROR, "no").unwrap();
    failing.flush();
    live.answer_text("live 1\n");
    drop(gone);
    let text = scraping.text();
    assert!(text.starts_with("live 1\n# HELP prometheus_proxy_app_up "), "{text}");
    for line in [
        "prometheus_proxy_app_up{app=\"connection-1\",reason=\"closed\"} 0\n",
        "prometheus_proxy_app_up{app=\"connection-2\"} 1\n",
        "prometheus_proxy_app_up{app=\"connection-3\",reason=\"refused\"} 0\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn a_scrape_that_waits_for_an_application_takes_no_place_from_another() {
    let world = World::start(&["--max-concurrent-scrapes=1"]);
    let mut app = App::connect(world.tcp);
    let first = world.scrape();
    let stream_id = app.asked();
    let others: Vec<_> = (0..10).map(|_| world.scrape()).collect();
    world.wait_tables(|tables| tables.scrapes == 11);
    let payload = app.sealed(b"a 1\n");
    app.connection().respond(stream_id, payload).unwrap();
    app.flush();
    for scraping in others.into_iter().chain([first]) {
        assert_eq!(scraping.text(), "a 1\n");
    }
}

#[test]
fn stopping_finishes_the_scrape_and_tells_the_applications() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let scraping = world.scrape();
    let stream_id = app.asked();
    world.begin_stop();
    let payload = app.sealed(b"last 1\n");
    app.connection().respond(stream_id, payload).unwrap();
    app.flush();
    assert_eq!(scraping.text(), "last 1\n");
    let expected = CloseReason::PeerError {
        code: ErrorCode::CONNECTION_ERROR,
        message: "the proxy is shutting down".to_owned(),
    };
    assert_eq!(app.next(), Event::Closed { reason: expected });
    assert!(app.connection().is_closed());
    drop(app);
    world.stopped();
}

#[test]
fn the_pages_say_how_it_is() {
    let world = World::start(&[]);
    assert_eq!(get(world.http, "/-/healthy", "").text(), "healthy\n");
    assert_eq!(get(world.http, "/-/ready", "").status(), "200 OK");
    let _app = App::connect(world.tcp);
    let page = get(world.http, "/", "").text();
    for part in ["/metrics/connected", "/metrics/proxy", &world.tcp.to_string()] {
        assert!(page.contains(part), "{part} is on {page}");
    }
    let metrics = get(world.http, "/metrics/proxy", "").text();
    let build =
        metrics.lines().find(|line| line.starts_with("prometheus_proxy_build_info{")).unwrap();
    let runtime = format!("runtime=\"{}\"", &OPTION["--runtime=".len()..]);
    let backend = if cfg!(feature = "openssl") { "openssl" } else { "rust" };
    let backend = format!("rsa_backend=\"{backend}\"");
    assert!(build.contains(&runtime) && build.contains(&backend), "{build}");
}
