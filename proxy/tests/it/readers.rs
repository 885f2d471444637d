//! Scrapers that keep the proxy waiting: for a request, for an application, or for them to read.

use super::world::{World, get};
use crate::app::App;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// More than the sockets and the proxy hold for a scraper that does not read.
const APPS: usize = 16;
const TEXT_LEN: usize = 1_500_000;

const CLOSED: &str = "prometheus_proxy_http_connections_closed_total";
const GIVEN_UP: &str = "prometheus_proxy_scrapes_given_up_total";

fn long_text(number: usize) -> String {
    let line = format!("# {}\n", "x".repeat(998));
    format!("app{number} 1\n{}", line.repeat(TEXT_LEN / line.len()))
}

/// Sends a request, and does not read the answer.
fn ask(http: SocketAddr, path: &str, seconds: u32) -> TcpStream {
    let mut stream = TcpStream::connect(http).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn scrapers_that_do_not_read_keep_none_waiting_that_do() {
    let world = World::start(&["--max-concurrent-scrapes=1"]);
    for number in 0..APPS {
        let app = App::connect(world.tcp);
        thread::spawn(move || app.serve(&long_text(number)));
    }
    let stalled: Vec<_> = (0..4).map(|_| ask(world.http, "/metrics/connected", 9)).collect();
    world.wait_tables(|tables| tables.answers == stalled.len());
    let text = world.scrape().text();
    for number in 0..APPS {
        assert!(text.contains(&format!("app{number} 1\n")), "{number}");
    }
    // They are given up one by one, without a newcomer that needs their places.
    world.wait_own(&format!("{CLOSED}{{reason=\"stalled\"}}"), 4.0);
    world.wait_own("prometheus_proxy_scrape_rounds_seconds_count{outcome=\"aborted\"}", 4.0);
    world.wait_tables(|tables| tables.answers == 0);
}

#[test]
fn silent_connections_make_room_for_scrapers() {
    let world = World::start(&["--max-http-connections=20"]);
    let app = App::connect(world.tcp);
    thread::spawn(move || app.serve("good 1\n"));
    world.wait_tables(|tables| tables.connections == 1);
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(world.http).unwrap()).collect();
    assert_eq!(get(world.http, "/-/healthy", "").status(), "200 OK");
    assert_eq!(world.scrape().text(), "good 1\n");
    assert!(world.own(&format!("{CLOSED}{{reason=\"idle_evicted\"}}")) >= 80.0);
    drop(silent);
}

#[test]
fn scrapes_that_wait_for_a_mute_application_keep_none_from_being_served() {
    let world = World::start(&["--max-concurrent-scrapes=1", "--max-http-connections=40"]);
    let app = App::connect(world.tcp);
    thread::spawn(move || app.serve("good 1\n"));
    world.wait_tables(|tables| tables.connections == 1);
    let _mute = App::connect(world.tcp);
    world.wait_tables(|tables| tables.connections == 2);
    let _waiting: Vec<_> = (0..9).map(|_| ask(world.http, "/metrics/connected", 60)).collect();
    world.wait_tables(|tables| tables.answers == 9);
    // The tenth has the address's last place.
    let short = "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n";
    assert_eq!(world.scrape_with(short).text(), "good 1\n");
    assert_eq!(get(world.http, "/-/ready", "").status(), "200 OK");
    // The short one leaves no sooner than it has ended.
    world.wait_tables(|tables| tables.answers == 9);
    let _tenth = ask(world.http, "/metrics/connected", 60);
    world.wait_tables(|tables| tables.answers == 10);
    // Until one of them has waited for as long as Prometheus would.
    let mut answer = get(world.http, "/metrics/connected", short);
    assert_eq!(answer.status(), "503 Service Unavailable");
    assert!(answer.head.to_ascii_lowercase().contains("retry-after: 1\r\n"));
    while answer.status() != "200 OK" {
        thread::sleep(Duration::from_millis(200));
        answer = get(world.http, "/metrics/connected", short);
    }
    assert_eq!(answer.text(), "good 1\n");
    world.wait_own(&format!("{GIVEN_UP}{{reason=\"replaced\"}}"), 1.0);
}

#[test]
fn an_application_that_hangs_makes_room_for_the_scrape_of_another() {
    let world = World::start(&["--max-concurrent-scrapes=1", "--max-http-connections=4"]);
    let _mute = App::connect(world.tcp);
    world.wait_tables(|tables| tables.connections == 1);
    let list = get(world.http, "/sd", "").text();
    let path = list.split("/metrics/app/").nth(1).unwrap().split('"').next().unwrap();
    let path = format!("/metrics/app/{path}");
    let _waiting = ask(world.http, &path, 60);
    world.wait_tables(|tables| tables.answers == 1);
    let short = "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n";
    while get(world.http, &path, short).status() != "504 Gateway Timeout" {
        thread::sleep(Duration::from_millis(100));
    }
    world.wait_own(&format!("{GIVEN_UP}{{reason=\"replaced\"}}"), 1.0);
}
