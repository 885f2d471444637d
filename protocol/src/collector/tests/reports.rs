//! Reports to the owner of an application.

use super::*;

impl World {
    fn scrape_one(&mut self, app: ConnectionId, text: &'static str) {
        let scrape = self.start();
        self.answer(app, text);
        self.work();
        self.take(scrape);
        self.collector.end_scrape(scrape, true);
    }

    fn kinds(&mut self, app: ConnectionId) -> Vec<ReportKind> {
        self.peer(app).reports.iter().map(|report| report.kind).collect()
    }
}

#[test]
fn a_refused_text_is_reported_once_until_that_changes() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.scrape_one(app, "a 1\n");
    assert_eq!(world.peer(app).reports, []);
    world.scrape_one(app, "a { 1\n");
    // The same fault on another line.
    world.scrape_one(app, "b 1\na { 1\n");
    world.scrape_one(app, "a nothing\n");
    world.scrape_one(app, "a 1\n");
    world.scrape_one(app, "a 1\n");
    let kinds = [ReportKind::Refused, ReportKind::Refused, ReportKind::Served];
    assert_eq!(world.kinds(app), kinds);
    assert!(world.has_notice(|notice| matches!(notice, Notice::Reported { .. })));
}

#[test]
fn collisions_are_reported_until_there_are_none() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let id = world.app(app).id;
    for count in [0, 3, 4, 0] {
        world.collector.report_collisions(world.now, id, count);
        world.run();
        assert_eq!(world.app(app).collisions, count);
    }
    assert_eq!(world.kinds(app), [ReportKind::Collided, ReportKind::Served]);
    assert!(world.peer(app).reports[0].message.contains("3 series"));
}

#[test]
fn a_new_connection_hears_anew_and_a_client_that_reads_no_reports_nothing() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.scrape_one(app, "a { 1\n");
    world.cut(app);
    let again = world.connect_as("a");
    world.scrape_one(again, "a { 1\n");
    assert_eq!(world.kinds(again), [ReportKind::Refused]);
    world.cut(again);
    let mut world = World::new(Config::default());
    let java = world.connect();
    world.scrape_one(java, "a { 1\n");
    assert_eq!(world.peer(java).reports, []);
}

/// A sender that replays sealed metrics of another application learns nothing of their content. The owner of the proxy sees the line.
#[test]
fn a_report_has_no_character_of_the_text_but_the_entry_has_the_line() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.scrape_one(app, "a 1\nsecret ~\n");
    let message = &world.peer(app).reports[0].message;
    assert_eq!(message, "line 2, byte 8: not a number");
    assert_eq!(world.app(app).faulty_line(), Some("secret ~"));
    world.scrape_one(app, "a 1\n");
    assert_eq!(world.app(app).faulty_line(), None);
}

#[test]
fn the_first_line_that_was_left_out_is_known_too() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.scrape_one(app, "a 1\nprometheus_proxy_up 1\nprometheus_proxy_up{a=\"b\"} 2\n");
    assert_eq!(world.kinds(app), [ReportKind::Reduced]);
    assert_eq!(world.app(app).faulty_line(), Some("prometheus_proxy_up 1"));
}

#[test]
fn which_step_of_opening_failed_is_not_told() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    let stream_id = world.peer(app).asked.pop_front().unwrap();
    world.peer(app).app.respond(stream_id, Payload::new("no key", "rubbish")).unwrap();
    world.run();
    world.work();
    world.take(scrape);
    assert_eq!(world.peer(app).reports[0].message, "the metrics cannot be opened");
}
