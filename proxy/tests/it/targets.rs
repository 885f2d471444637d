//! Single applications as targets, found by service discovery.

use super::world::{World, get};
use crate::app::App;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use std::thread;
use std::time::{Duration, Instant};

fn path_of(name: &str) -> String {
    format!("/metrics/app/{name}")
}

/// The targets' paths, in order.
fn listed(world: &World) -> Vec<String> {
    let answer = get(world.http, "/sd", "");
    assert_eq!(answer.status(), "200 OK");
    let list: Vec<serde_json::Value> = serde_json::from_str(&answer.text()).unwrap();
    let path = |target: &serde_json::Value| target["labels"]["__metrics_path__"].clone();
    list.iter().map(|target| path(target).as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_application_is_found_and_scraped_by_itself() {
    let world = World::start(&["--advertise-http=proxy.example:80"]);
    let mut apps = ["a", "b"].map(|name| App::connect_as(world.tcp, &[("instance", name)]));
    assert_eq!(listed(&world), [path_of("a"), path_of("b")]);
    assert!(get(world.http, "/sd", "").text().contains("\"targets\":[\"proxy.example:80\"]"));
    let http = world.http;
    let scraping = thread::spawn(move || get(http, &path_of("b"), ""));
    apps[1].answer_text("jobs 1\n");
    let answer = scraping.join().unwrap();
    assert_eq!(answer.status(), "200 OK");
    assert_eq!(answer.text(), "jobs{instance=\"b\"} 1\n");
    assert_eq!(get(world.http, &path_of("c"), "").status(), "404 Not Found");
}

#[test]
fn an_application_that_is_gone_stays_listed_for_its_grace_time() {
    let world = World::start(&["--app-grace=2s"]);
    let app = App::connect_as(world.tcp, &[("instance", "a")]);
    drop(app);
    world.wait_tables(|tables| tables.connections == 0);
    assert_eq!(listed(&world), [path_of("a")]);
    let answer = get(world.http, &path_of("a"), "");
    assert_eq!(answer.status(), "503 Service Unavailable");
    assert!(answer.text().contains("gone"), "{}", answer.text());
    world.wait_tables(|tables| tables.entries == 0);
    assert!(listed(&world).is_empty());
    assert_eq!(get(world.http, &path_of("a"), "").status(), "404 Not Found");
}

#[test]
fn an_application_that_comes_back_has_its_old_path() {
    let world = World::start(&[]);
    drop(App::connect_as(world.tcp, &[("instance", "a")]));
    world.wait_tables(|tables| tables.connections == 0);
    let second = App::connect_as(world.tcp, &[("instance", "a")]);
    world.wait_tables(|tables| tables.entries == 1 && tables.connections == 1);
    assert_eq!(listed(&world), [path_of("a")]);
    // A second live one is a target of its own.
    let third = App::connect_as(world.tcp, &[("instance", "a")]);
    assert_eq!(listed(&world), [path_of("a"), path_of("a~~2")]);
    drop((second, third));
}

#[test]
fn the_scrapers_deadline_holds_for_a_single_application() {
    let world = World::start(&[]);
    let mut hung = App::connect_as(world.tcp, &[("instance", "hung")]);
    let started = Instant::now();
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 1.5\r\n";
    let http = world.http;
    let scraping = thread::spawn(move || get(http, &path_of("hung"), header));
    let stream_id = hung.asked();
    let answer = scraping.join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(answer.status(), "504 Gateway Timeout");
    assert!(answer.text().contains("timeout"), "{}", answer.text());
    assert_eq!(hung.next(), Event::Canceled { stream_id });
}

#[test]
fn a_text_that_is_refused_fails_its_own_target_and_says_where() {
    let world = World::start(&[]);
    let mut bad = App::connect_as(world.tcp, &[("instance", "bad")]);
    let http = world.http;
    let scraping = thread::spawn(move || get(http, &path_of("bad"), ""));
    bad.answer_text("good 1\nbad{ 1\n");
    let answer = scraping.join().unwrap();
    assert_eq!(answer.status(), "502 Bad Gateway");
    let text = answer.text();
    assert!(text.contains("exposition") && text.contains("line 2"), "{text}");
}

#[test]
fn applications_that_hang_keep_none_of_the_others_from_being_scraped() {
    let world = World::start(&["--max-concurrent-scrapes=2"]);
    let hung: Vec<_> = (0..40)
        .map(|number| App::connect_as(world.tcp, &[("instance", &format!("hung{number}"))]))
        .collect();
    let app = App::connect_as(world.tcp, &[("instance", "good")]);
    thread::spawn(move || app.serve("jobs 1\n"));
    let http = world.http;
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 4\r\n";
    let single = move |name: String| thread::spawn(move || get(http, &path_of(&name), header));
    let waiting: Vec<_> = (0..hung.len()).map(|number| single(format!("hung{number}"))).collect();
    world.wait_tables(|tables| tables.scrapes == hung.len());
    // More at once than there are places for answers: each waits its turn.
    let good: Vec<_> = (0..20).map(|_| single("good".to_owned())).collect();
    for scraping in good {
        let answer = scraping.join().unwrap();
        assert_eq!(answer.status(), "200 OK");
        assert_eq!(answer.text(), "jobs{instance=\"good\"} 1\n");
    }
    assert_eq!(world.scrape_with(header).text(), "jobs{instance=\"good\"} 1\n");
    for scraping in waiting {
        assert_eq!(scraping.join().unwrap().status(), "504 Gateway Timeout");
    }
}
