//! What scrapers and owners learn about every application.

use super::world::World;
use crate::app::App;
use prometheus_rsocket_protocol::report::{Report, ReportKind};
use prometheus_rsocket_protocol::rsocket::connection::Event;

const ON: &[&str] = &["--app-metrics=on"];
const SHORT: &str = "X-Prometheus-Scrape-Timeout-Seconds: 1.5\r\n";

fn report(app: &mut App) -> Report {
    match app.next() {
        Event::MetadataPush { metadata } => Report::decode(metadata).unwrap(),
        other => panic!("a report was expected, not {other:?}"),
    }
}

#[test]
fn the_joined_answer_ends_with_the_state_of_every_application() {
    let world = World::start(ON);
    let mut apps = ["a", "b", "c"].map(|name| App::connect_as(world.tcp, &[("instance", name)]));
    let mut nameless = App::connect(world.tcp);
    let scraping = world.scrape_with(SHORT);
    apps[0].answer_text("jobs 1\njobs2 1\n");
    apps[1].answer_text("jobs{ 1\n");
    apps[2].asked();
    nameless.answer_text("other 1\n");
    let text = scraping.text();
    for line in [
        "# TYPE prometheus_proxy_app_up gauge",
        "prometheus_proxy_app_up{instance=\"a\"} 1",
        "prometheus_proxy_app_up{instance=\"b\",reason=\"exposition\"} 0",
        "prometheus_proxy_app_up{instance=\"c\",reason=\"timeout\"} 0",
        "prometheus_proxy_app_scrape_samples{instance=\"a\"} 2",
        "prometheus_proxy_app_scrape_samples{instance=\"b\"} 0",
        "# TYPE prometheus_proxy_app_scrape_duration_seconds gauge",
    ] {
        assert_eq!(text.lines().filter(|other| *other == line).count(), 1, "{line} in\n{text}");
    }
    let up = text.lines().filter(|line| line.starts_with("prometheus_proxy_app_up{"));
    let nameless_up = up.filter(|line| line.starts_with("prometheus_proxy_app_up{app=\""));
    assert_eq!(nameless_up.count(), 1, "{text}");
    let metrics = text.find("jobs{instance=\"a\"} 1\n").unwrap();
    assert!(metrics < text.find("prometheus_proxy_app_").unwrap(), "{text}");
}

#[test]
fn an_application_that_has_gone_is_down_and_then_up_again() {
    let world = World::start(ON);
    drop(App::connect_as(world.tcp, &[("instance", "a")]));
    world.wait_tables(|tables| tables.connections == 0);
    let text = world.scrape().text();
    assert!(text.contains("app_up{instance=\"a\",reason=\"gone\"} 0\n"), "{text}");
    let mut app = App::connect_as(world.tcp, &[("instance", "a")]);
    let scraping = world.scrape();
    app.answer_text("jobs 1\n");
    let text = scraping.text();
    assert!(text.contains("app_up{instance=\"a\"} 1\n"), "{text}");
}

#[test]
fn of_the_same_series_the_first_applications_is_served_and_the_other_is_told() {
    let world = World::start(&["--inject-identity=never", "--app-metrics=on"]);
    let mut apps = ["a", "b"].map(|name| App::connect_as(world.tcp, &[("instance", name)]));
    for round in 0..2 {
        let scraping = world.scrape();
        apps[1].answer_text("jobs{x=\"1\",y=\"2\"} 2\nown 2\n");
        apps[0].answer_text("jobs{y=\"2\",x=\"1\"} 1\n");
        let text = scraping.text();
        assert!(
            text.starts_with("jobs{y=\"2\",x=\"1\"} 1\nown 2\n# HELP prometheus_proxy_"),
            "{text}"
        );
        for (name, count) in [("a", 0), ("b", 1)] {
            let shown = format!("_app_scrape_collisions{{instance=\"{name}\"}} {count}\n");
            assert!(text.contains(&shown), "{text}");
        }
        if round == 0 {
            let told = report(&mut apps[1]);
            assert_eq!(told.kind, ReportKind::Collided);
            assert!(told.message.starts_with("1 series"), "{}", told.message);
        }
    }
    world.wait_own("prometheus_proxy_collisions_total", 2.0);
    // Once until it changes.
    let scraping = world.scrape();
    apps[1].answer_text("own 3\n");
    apps[0].answer_text("jobs 1\n");
    scraping.text();
    assert_eq!(report(&mut apps[1]).kind, ReportKind::Served);
}

#[test]
fn a_text_that_is_refused_or_reduced_is_told_to_its_owner() {
    for (option, kind, served) in [
        ("--on-bad-line=drop-application", ReportKind::Refused, ""),
        ("--on-bad-line=drop-family", ReportKind::Reduced, "good 1\n"),
    ] {
        let world = World::start(&[option, "--inject-identity=never"]);
        let mut app = App::connect_as(world.tcp, &[("instance", "a")]);
        let scraping = world.scrape();
        app.answer_text("good 1\nbad 1 x\n");
        assert_eq!(scraping.text(), served);
        let told = report(&mut app);
        assert_eq!(told.kind, kind);
        assert!(told.message.contains("line 2"), "{}", told.message);
    }
}

#[test]
fn an_identity_is_learnt_from_the_labels_of_the_text() {
    let world = World::start(&["--app-metrics=on", "--identity-labels=application,instance"]);
    let mut app = App::connect(world.tcp);
    let scraping = world.scrape();
    app.answer_text("jobs{application=\"orders\",instance=\"a\"} 1\n");
    let text = scraping.text();
    let up = "prometheus_proxy_app_up{application=\"orders\",instance=\"a\"} 1\n";
    assert!(text.contains(up), "{text}");
}

#[test]
fn labels_of_an_identity_are_kept_where_the_proxys_own_have_the_same_names() {
    let world = World::start(ON);
    let labels = [("app", "orders"), ("reason", "migration")];
    let twins = [(); 2].map(|()| App::connect_as(world.tcp, &labels));
    drop(twins);
    world.wait_tables(|tables| tables.connections == 0);
    let _first = App::connect_as(world.tcp, &labels);
    let _second = App::connect_as(world.tcp, &labels);
    let text = world.scrape_with(SHORT).text();
    let up = text.lines().filter(|line| line.starts_with("prometheus_proxy_app_up{"));
    let up: Vec<_> = up.collect();
    assert_eq!(up.len(), 2, "{text}");
    assert_ne!(up[0], up[1]);
    for line in &up {
        for label in ["app=\"orders\"", "reason=\"migration\"", "down_reason=\"timeout\""] {
            assert!(line.contains(label), "{label} is in {line}");
        }
    }
    // Whoever had the identity first needs no path to be told apart.
    let with_path: Vec<_> = up.iter().map(|line| line.contains("app_path=")).collect();
    assert_eq!(with_path, [false, true]);
}
