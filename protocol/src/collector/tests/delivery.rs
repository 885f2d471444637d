//! Pushes are delivered to each scraper once.

use super::*;

impl World {
    fn start_by(&mut self, scraper: &str) -> ScrapeId {
        self.start_of(&Scraper::named(scraper, "x"))
    }

    fn start_of(&mut self, scraper: &Scraper) -> ScrapeId {
        let deadline = self.now + Duration::from_secs(10);
        let scrape = self.collector.start_scrape(self.now, deadline, Targets::All, scraper);
        self.run();
        scrape.unwrap()
    }

    fn scrape_by(&mut self, scraper: &str, delivered: bool) -> Vec<Served> {
        self.scrape_as(&Scraper::named(scraper, "x"), delivered)
    }

    fn scrape_as(&mut self, scraper: &Scraper, delivered: bool) -> Vec<Served> {
        let scrape = self.start_of(scraper);
        let (served, _) = self.take(scrape);
        self.collector.end_scrape(scrape, delivered);
        self.run();
        served
    }

    /// An application that has pushed these texts and gone.
    fn push_and_go(&mut self, name: &'static str, texts: &[&'static str]) {
        let app = self.connect_as(name);
        for text in texts {
            self.push(app, text);
            self.work();
        }
        self.cut(app);
    }

    /// The texts of an outcome, in the order of arrival.
    fn texts(&mut self, scrape: ScrapeId) -> Vec<String> {
        let Progress::Outcome(outcome) = self.collector.poll_scrape(scrape) else { panic!() };
        let all = outcome.earlier.iter().chain(outcome.result.as_ref().ok());
        all.map(text).collect()
    }

    fn evictions(&self) -> Vec<PushEviction> {
        let cause = |notice: &Notice| match notice {
            Notice::PushEvicted { cause, .. } => Some(*cause),
            _ => None,
        };
        self.notices.iter().filter_map(cause).collect()
    }
}

#[test]
fn each_scraper_gets_a_push_once() {
    let mut world = World::new(Config::default());
    world.push_and_go("a", &["last 9\n"]);
    for scraper in ["first", "second"] {
        assert_eq!(world.scrape_by(scraper, false), [served("a", "last 9\n")]);
        assert_eq!(world.scrape_by(scraper, true), [served("a", "last 9\n")]);
        assert_eq!(world.scrape_by(scraper, true), [failed("a", "gone")]);
    }
    assert_eq!(world.collector.held_pushes(), 1, "another one may come");
}

#[test]
fn a_push_that_is_under_way_to_a_scraper_is_not_sent_to_it_a_second_time() {
    let mut world = World::new(Config::default());
    world.push_and_go("a", &["last 9\n"]);
    let first = world.start_by("scraper");
    assert_eq!(world.scrape_by("scraper", true), [failed("a", "gone")]);
    assert_eq!(world.scrape_by("another", true), [served("a", "last 9\n")]);
    assert_eq!(world.take(first).0, [served("a", "last 9\n")]);
    world.collector.end_scrape(first, false);
    assert_eq!(world.scrape_by("scraper", true), [served("a", "last 9\n")]);
}

#[test]
fn an_answer_supersedes_a_push_for_its_scraper_alone() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "counter 1\n");
    world.work();
    let scrape = world.start_by("first");
    world.answer(app, "counter 5\n");
    world.work();
    world.cut(app);
    assert_eq!(world.scrape_by("first", true), [failed("a", "gone")], "5 is under way");
    assert_eq!(world.take(scrape).0, [served("a", "counter 5\n")]);
    world.collector.end_scrape(scrape, true);
    assert_eq!(world.scrape_by("first", true), [failed("a", "gone")]);
    assert_eq!(world.scrape_by("second", true), [served("a", "counter 1\n")]);
}

#[test]
fn an_answer_supersedes_a_push_that_is_still_being_opened() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "counter 1\n");
    let scrape = world.start_by("first");
    world.answer(app, "counter 5\n");
    // Answers come before pushes.
    let job = world.collector.poll_job().unwrap();
    world.collector.handle_job(world.now, work_one(job));
    assert_eq!(world.take(scrape).0, [served("a", "counter 5\n")]);
    world.collector.end_scrape(scrape, true);
    world.work();
    world.cut(app);
    assert_eq!(world.scrape_by("first", true), [failed("a", "gone")]);
    assert_eq!(world.scrape_by("second", true), [served("a", "counter 1\n")]);
}

#[test]
fn a_push_is_replaced_only_by_one_that_has_all_its_series() {
    let mut world = World::new(Config::default());
    world.push_and_go("a", &["x 1\ny 1\n", "y 2\nz 2\n", "z 3\ny 3\n"]);
    assert_eq!(world.collector.held_pushes(), 2);
    let scrape = world.start_by("scraper");
    assert_eq!(world.texts(scrape), ["x 1\ny 1\n", "z 3\ny 3\n"]);
    let mut world = World::new(Config { push_keep: PushKeep::All, ..Config::default() });
    world.push_and_go("a", &["x 1\n", "x 2\n"]);
    let scrape = world.start_by("scraper");
    assert_eq!(world.texts(scrape), ["x 1\n", "x 2\n"]);
}

#[test]
fn an_application_has_so_many_pushes_and_those_that_were_had_give_way() {
    let config = Config { max_app_pushes: 2, push_keep: PushKeep::All, ..Config::default() };
    let mut world = World::new(config);
    let app = world.connect_as("a");
    for text in ["x 1\n", "x 2\n", "x 3\n"] {
        world.push(app, text);
        world.work();
    }
    assert!(matches!(world.peer(app).outcomes.last(), Some(Event::RequestFailed { .. })));
    let scrape = world.start_by("scraper");
    world.advance(Duration::from_secs(10));
    assert_eq!(world.texts(scrape), ["x 1\n", "x 2\n"]);
    world.take(scrape);
    world.collector.end_scrape(scrape, true);
    world.push(app, "x 3\n");
    world.work();
    assert!(matches!(world.peer(app).outcomes.last(), Some(Event::Response { .. })));
    assert_eq!(world.evictions(), [PushEviction::Delivered]);
}

#[test]
fn the_same_bytes_are_held_once_and_acknowledged_twice() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    for text in ["x 1\n", "x 2\n", "x 1\n"] {
        world.push(app, text);
        world.work();
    }
    let is_said = |event: &Event| matches!(event, Event::Response { .. });
    assert_eq!(world.peer(app).outcomes.iter().filter(|event| is_said(event)).count(), 3);
    assert!(world.has_notice(|notice| matches!(notice, Notice::PushRepeated { .. })));
    world.cut(app);
    assert_eq!(world.scrape_by("scraper", true), [served("a", "x 2\n")], "2 was the later one");
}

#[test]
fn what_all_have_had_gives_way_first_and_what_nobody_has_had_never() {
    let mut world = World::new(Config { max_pushes: 3, ..Config::default() });
    world.push_and_go("one", &["x 1\n"]);
    assert_eq!(world.scrape_by("first", true).len(), 1);
    world.push_and_go("all", &["y 1\n"]);
    assert_eq!(world.scrape_by("second", true).len(), 2);
    assert_eq!(world.scrape_by("first", true).len(), 2);
    world.push_and_go("partly", &["z 1\n"]);
    world.scrape_by("first", true);
    assert_eq!(world.collector.missed_pushes(world.now), 1);
    for name in ["d", "e", "f"] {
        world.push_and_go(name, &["w 1\n"]);
    }
    let (all, partly) = (PushEviction::Delivered, PushEviction::PartlyDelivered);
    assert_eq!(world.evictions(), [all, all, partly]);
    let app = world.connect_as("g");
    world.push(app, "w 1\n");
    assert!(matches!(world.peer(app).outcomes[..], [Event::RequestFailed { .. }]));
    assert_eq!(world.scrape_by("third", true)[3..6], ["d", "e", "f"].map(|n| served(n, "w 1\n")));
}

#[test]
fn a_scraper_that_was_forgotten_gets_pushes_again() {
    let mut world = World::new(Config::default());
    world.push_and_go("a", &["last 9\n"]);
    let under_way = world.start_by("first");
    for nth in 0..64 {
        world.advance(Duration::from_millis(1));
        world.scrape_by(&nth.to_string(), true);
    }
    world.take(under_way);
    world.collector.end_scrape(under_way, true);
    assert_eq!(world.scrape_by("first", true), [served("a", "last 9\n")]);
    assert_eq!(world.scrape_by("first", true), [failed("a", "gone")]);
}

#[test]
fn a_push_that_was_sent_is_left_out_until_it_is_known_whether_it_was_read() {
    let mut world = World::new(Config { max_scrapes: 1, ..Config::default() });
    world.push_and_go("a", &["last 9\n"]);
    for delivered in [false, true] {
        let sent = world.start_by("scraper");
        assert_eq!(world.take(sent).0, [served("a", "last 9\n")]);
        world.collector.scrape_sent(sent);
        assert_eq!(world.collector.scrapes(), 0, "there is room for another");
        assert_eq!(world.collector.missed_pushes(world.now), 1);
        assert_eq!(world.collector.unsent_pushes(world.now), 0);
        assert_eq!(world.scrape_by("scraper", true), [failed("a", "gone")]);
        world.collector.end_scrape(sent, delivered);
        assert_eq!(world.collector.unsent_pushes(world.now), usize::from(!delivered));
    }
    assert_eq!(world.scrape_by("scraper", true), [failed("a", "gone")]);
    assert_eq!(world.collector.missed_pushes(world.now), 0);
}

#[test]
fn of_many_scrapes_that_were_sent_the_oldest_counts_as_unread() {
    let mut world = World::new(Config::default());
    world.push_and_go("a", &["last 9\n"]);
    let first = world.start_by("first");
    world.take(first);
    world.collector.scrape_sent(first);
    for nth in 0..1024 {
        let sent = world.start_of(&Scraper::unnamed("y", nth));
        assert_eq!(world.take(sent).0.len(), 1);
        world.collector.scrape_sent(sent);
    }
    assert_eq!(world.scrape_by("first", true), [served("a", "last 9\n")]);
}

#[test]
fn each_connection_without_a_name_gets_a_push_but_none_an_older_value() {
    let mut world = World::new(Config::default());
    world.push_and_go("gone", &["last 9\n"]);
    let app = world.connect_as("a");
    world.push(app, "counter 1\n");
    world.work();
    let [one, two] = [1, 2].map(|connection| Scraper::unnamed("y", connection));
    let scrape = world.start_of(&one);
    world.answer(app, "counter 5\n");
    world.work();
    world.cut(app);
    let last = served("gone", "last 9\n");
    assert_eq!(world.scrape_as(&two, true), [last.clone(), failed("a", "gone")], "on its way");
    world.take(scrape);
    world.collector.end_scrape(scrape, true);
    let three = Scraper::unnamed("y", 3);
    assert_eq!(world.scrape_as(&three, true), [last.clone(), failed("a", "gone")]);
    assert_eq!(world.scrape_as(&three, true), [failed("gone", "gone"), failed("a", "gone")]);
    assert_eq!(world.scrape_by("named", true), [last, served("a", "counter 1\n")]);
}
