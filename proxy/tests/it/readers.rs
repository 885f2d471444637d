//! Scrapers that do not read.

use super::world::{World, get};
use crate::app::App;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

/// More than the sockets and the proxy hold for a scraper that does not read.
const APPS: usize = 16;
const TEXT_LEN: usize = 1_500_000;

fn long_text(number: usize) -> String {
    let line = format!("# {}\n", "x".repeat(998));
    format!("app{number} 1\n{}", line.repeat(TEXT_LEN / line.len()))
}

#[test]
fn a_scraper_that_does_not_read_keeps_no_place_from_those_that_do() {
    let world = World::start(&["--max-concurrent-scrapes=2"]);
    for number in 0..APPS {
        let app = App::connect(world.tcp);
        thread::spawn(move || app.serve(&long_text(number)));
    }
    let stalled = || {
        let mut stream = TcpStream::connect(world.http).unwrap();
        stream.write_all(b"GET /metrics/connected HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream
    };
    let mut all_stalled = vec![stalled()];
    world.wait_tables(|tables| tables.answers == 1);
    for _ in 0..3 {
        // Of two places one address has one. The scraper that stalls loses it to the newcomer, which may stall as well.
        let answer = get(world.http, "/metrics/connected", "");
        assert_eq!(answer.status(), "200 OK");
        let text = answer.text();
        for number in 0..APPS {
            assert!(text.contains(&format!("app{number} 1\n")), "{number}");
        }
        all_stalled.push(stalled());
        world.wait_tables(|tables| tables.answers == 1);
    }
    world.wait_own("prometheus_proxy_scrape_rounds_seconds_count{outcome=\"aborted\"}", 3.0);
}
