//! The formats of answers, whatever the applications send.

use super::world::{World, get};
use crate::app::App;

const OPEN_METRICS: &str =
    "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2\r\n";
const UTF8: &str = "Accept: text/plain;version=1.0.0;escaping=allow-utf-8\r\n";

/// What an application with these labels is served as, to scrapers with these headers.
fn served(options: &[&str], headers: &str, texts: &[&str]) -> (String, String) {
    let world = World::start(options);
    let mut apps: Vec<App> = texts.iter().map(|_| App::connect(world.tcp)).collect();
    let scraping = world.scrape_with(headers);
    for (app, text) in apps.iter_mut().zip(texts) {
        app.answer_text(text);
    }
    let answer = scraping.answer();
    assert_eq!(answer.status(), "200 OK");
    (answer.head.to_ascii_lowercase(), answer.text())
}

fn count(text: &str, line: &str) -> usize {
    text.lines().filter(|other| *other == line).count()
}

const ONE: &str =
    "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\njobs_total{app=\"1\"} 1\n";
const TWO: &str = "# TYPE jobs_total counter\njobs_total{app=\"2\"} 2\n# TYPE on gauge\non 1\n";

#[test]
fn a_scraper_that_prefers_openmetrics_gets_it_with_one_end() {
    let (head, text) = served(&[], OPEN_METRICS, &[ONE, TWO]);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(head.contains("vary: accept, accept-encoding"), "{head}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in ["# EOF", "# TYPE jobs counter", "jobs_total{app=\"1\"} 1.0", "on 1.0"] {
        let integer = line.trim_end_matches(".0");
        assert_eq!(count(&text, line).max(count(&text, integer)), 1, "{line} is in\n{text}");
    }
}

#[test]
fn families_are_grouped_where_that_is_asked_for() {
    let (head, text) = served(&["--group-families"], "", &[ONE, TWO]);
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(count(&text, "# TYPE jobs_total counter"), 1, "{text}");
    let jobs = "jobs_total{app=\"1\"} 1\njobs_total{app=\"2\"} 2\n";
    assert!(text.contains(jobs), "{text}");
    assert_eq!(count(&text, "# EOF"), 0);
    let (_, joined) = served(&[], "", &[ONE, TWO]);
    assert_eq!(joined, format!("{ONE}{TWO}"));
}

#[test]
fn openmetrics_of_an_application_is_converted_for_a_scraper_of_text() {
    let text = "# TYPE jobs counter\njobs_total{app=\"1\"} 3.0 1700000000.5 # {trace=\"x\"} 1.0\n\
                # TYPE build info\nbuild_info{version=\"1\"} 1.0\n# EOF\n";
    let (_, text) = served(&[], "", &[text]);
    for line in ["# TYPE jobs_total counter", "# TYPE build_info gauge"] {
        assert_eq!(count(&text, line), 1, "{line} is in\n{text}");
    }
    assert!(text.contains("jobs_total{app=\"1\"} 3.0 1700000000500\n"), "{text}");
    assert!(!text.contains("EOF") && !text.contains("trace"), "{text}");
}

#[test]
fn names_in_utf8_are_escaped_for_a_scraper_that_does_not_read_them() {
    let quoted = "{\"http.requests\",\"net.peer\"=\"a\"} 1\n";
    let (_, text) = served(&[], "", &[quoted]);
    assert_eq!(text, "http_requests{net_peer=\"a\"} 1\n");
    let (head, text) = served(&[], UTF8, &[quoted]);
    assert!(head.contains("escaping=allow-utf-8"), "{head}");
    assert_eq!(text, quoted);
}

#[test]
fn a_single_application_is_served_in_the_same_formats() {
    let world = World::start(&[]);
    let app = App::connect_as(world.tcp, &[("instance", "a")]);
    let serving = std::thread::spawn(move || app.serve(ONE));
    let answer = get(world.http, "/metrics/app/a", OPEN_METRICS);
    assert!(answer.head.contains("openmetrics"), "{}", answer.head);
    let text = answer.text();
    assert!(text.ends_with("# EOF\n") && text.contains("instance=\"a\""), "{text}");
    world.stopped();
    serving.join().unwrap();
}
