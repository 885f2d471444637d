//! Shares of pushes, and which pushes give way when the room is used up.

use super::*;

impl World {
    /// Why an application's last request was refused.
    fn refusal(&mut self, id: ConnectionId) -> String {
        let Some(Event::RequestFailed { error, .. }) = self.peer(id).outcomes.pop() else {
            panic!("it is not refused");
        };
        error.to_string()
    }

    /// One whole scrape that these applications answer.
    fn scrape_of(&mut self, answering: &[ConnectionId]) -> Vec<Served> {
        let scrape = self.start();
        for app in answering {
            self.answer(*app, "answer 1\n");
        }
        self.work();
        self.advance(Duration::from_secs(10));
        let (served, _) = self.take(scrape);
        self.collector.end_scrape(scrape, true);
        self.run();
        served
    }

    fn evicted(&self) -> Vec<&str> {
        let evicted = |notice: &'_ Notice| match notice {
            Notice::PushEvicted { app, .. } => Some(app.id),
            _ => None,
        };
        let ids = self.notices.iter().filter_map(evicted);
        ids.filter_map(|id| self.collector.app(id)).map(|app| &*app.path).collect()
    }
}

#[test]
fn an_application_opens_a_few_pushes_at_once() {
    let mut world = World::new(Config { max_app_opening: 2, ..Config::default() });
    let (flood, other) = (world.connect_as("flood"), world.connect_as("other"));
    for _ in 0..5 {
        world.push(flood, "flood 1\n");
    }
    assert!(world.refusal(flood).contains("2 pushes of this application are being opened"));
    world.push(other, "other 1\n");
    world.work();
    assert!(matches!(world.peer(other).outcomes[..], [Event::Response { .. }]));
    // Pushes that were opened make room for the next ones.
    world.push(flood, "flood 2\n");
    world.work();
    assert!(matches!(world.peer(flood).outcomes.last(), Some(Event::Response { .. })));
    let over = |notice: &Notice| {
        matches!(notice, Notice::PushRejected { error: PushError::OverShare(_), .. })
    };
    assert_eq!(world.notices.iter().filter(|notice| over(notice)).count(), 3);
}

#[test]
fn an_application_has_its_share_of_bytes_held_or_being_opened() {
    let mut world = World::new(Config { max_app_push_bytes: 50, ..Config::default() });
    let app = world.connect_as("a");
    world.push(app, "counter 1\n");
    world.work();
    let held = world.collector.pushes.bytes();
    world.push(app, "counter 2\n");
    assert_eq!(world.collector.pushes.bytes() - held, sealed("counter 2\n").encoded_len());
    world.push(app, "counter 3\n");
    assert!(world.refusal(app).contains("with a limit of 50 bytes"));
    world.work();
    world.push(app, "counter 3\n");
    world.work();
    assert_eq!(world.collector.held_pushes(), 1);
}

#[test]
fn an_application_that_pushes_without_pause_is_slowed_down_also_over_several_connections() {
    let config = Config { app_push_burst: 3, app_push_rate: 2, ..Config::default() };
    let mut world = World::new(config);
    let mut app = world.connect_as("a");
    let mut held = 0;
    for nth in 0..20 {
        world.push(app, "counter 1\n");
        world.work();
        if let Some(Event::Response { .. }) = world.peer(app).outcomes.pop() {
            held += 1;
        }
        if nth % 5 == 4 {
            world.cut(app);
            app = world.connect_as("a");
        }
    }
    assert_eq!(held, 3);
    world.advance(Duration::from_secs(1));
    world.push(app, "counter 1\n");
    world.push(app, "counter 1\n");
    world.push(app, "counter 1\n");
    assert!(world.refusal(app).contains("pushes more than 2 times a second"));
}

#[test]
fn a_later_push_replaces_an_earlier_one_and_says_so() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "counter 1\n");
    world.push(app, "counter 2\n");
    world.work();
    let replaced = |notice: &&Notice| matches!(notice, Notice::PushReplaced { .. });
    assert_eq!(world.notices.iter().filter(replaced).count(), 1);
    assert!(!world.has_notice(|notice| matches!(notice, Notice::PushSuperseded { .. })));
}

#[test]
fn pushes_that_were_superseded_give_way_to_newcomers_the_oldest_first() {
    let config = Config { max_pushes: 3, ..Config::default() };
    let mut world = World::new(config);
    let apps = ["a", "b", "c"].map(|name| world.connect_as(name));
    let newcomers = ["d", "e", "f", "g"].map(|name| world.connect_as(name));
    for app in [apps[1], apps[0], apps[2]] {
        world.push(app, "pushed 1\n");
        world.work();
    }
    // One of them goes, so its push was its last word. The others answer.
    world.cut(apps[1]);
    let scrape = world.start_for(Targets::Some(vec![world.app(apps[0]).id, world.app(apps[2]).id]));
    for app in [apps[0], apps[2]] {
        world.answer(app, "answer 1\n");
    }
    world.work();
    world.take(scrape);
    world.collector.end_scrape(scrape, true);
    for (newcomer, evicted) in newcomers.iter().zip([vec!["a"], vec!["a", "c"]]) {
        world.push(*newcomer, "new 1\n");
        assert_eq!(world.evicted(), evicted);
        assert_eq!(world.collector.pushes.len(), 3);
        world.work();
        assert!(matches!(world.peer(*newcomer).outcomes[..], [Event::Response { .. }]));
    }
    // The newcomers do not answer, so no push gives way to the next one.
    world.push(newcomers[2], "new 1\n");
    assert!(world.refusal(newcomers[2]).contains("3 pushes are held already"));
    let served = world.scrape_of(&[apps[0], apps[2]]);
    let texts = served.iter().filter_map(|(path, text)| Some((&**path, text.as_deref().ok()?)));
    let expected = [
        ("a", "answer 1\n"),
        ("b", "pushed 1\n"),
        ("c", "answer 1\n"),
        ("d", "new 1\n"),
        ("e", "new 1\n"),
    ];
    assert_eq!(texts.collect::<Vec<_>>(), expected);
}

#[test]
fn pushes_of_those_who_fail_or_were_never_scraped_do_not_give_way() {
    let config = Config { max_pushes: 2, ..Config::default() };
    let mut world = World::new(config);
    let (fails, fresh) = (world.connect_as("fails"), world.connect_as("fresh"));
    world.scrape_of(&[fails]);
    let scrape = world.start();
    world.answer(fails, "} rubbish\n");
    world.work();
    world.collector.end_scrape(scrape, true);
    world.push(fails, "pushed 1\n");
    let fresh_too = world.connect_as("fresh too");
    world.push(fresh_too, "pushed 1\n");
    world.work();
    world.push(fresh, "pushed 1\n");
    assert!(world.refusal(fresh).contains("2 pushes are held already"));
    assert!(world.evicted().is_empty());
    // It recovers, and its push can give way.
    world.scrape_of(&[fails]);
    world.push(fresh, "pushed 1\n");
    world.work();
    assert!(matches!(world.peer(fresh).outcomes[..], [Event::Response { .. }]));
}

#[test]
fn nothing_gives_way_in_vain_and_bytes_count_as_well() {
    let config = Config { max_push_bytes: 90, ..Config::default() };
    let mut world = World::new(config);
    let apps = ["a", "b"].map(|name| world.connect_as(name));
    let newcomer = world.connect_as("c");
    for app in apps {
        world.push(app, "pushed_by_one_who_lives_on 1\n");
        world.work();
    }
    world.scrape_of(&apps);
    let long =
        "a_metric_with_a_name_that_is_so_long_that_it_fits_nowhere_whatever_is_dropped_for_it 1\n";
    world.push(newcomer, long);
    assert!(world.refusal(newcomer).contains("limit of 90 bytes"));
    assert!(world.evicted().is_empty());
    world.push(newcomer, "a_metric_that_fits_in 1\n");
    world.work();
    assert_eq!(world.evicted(), ["a"]);
    assert!(matches!(world.peer(newcomer).outcomes[..], [Event::Response { .. }]));
}

#[test]
fn pushes_being_opened_take_no_room_from_answers() {
    let config = Config { max_pending_bytes: 40, ..Config::default() };
    let mut world = World::new(config);
    let (flood, good) = (world.connect_as("flood"), world.connect_as("good"));
    let scrape = world.start();
    world.push(flood, "flood 1\n");
    world.push(flood, "flood 2\n");
    world.answer(good, "good 1\n");
    let job = world.collector.poll_job().unwrap();
    let done = work_one(job);
    world.collector.handle_job(world.now, done);
    world.advance(Duration::from_secs(10));
    assert_eq!(world.take(scrape).0, [failed("flood", "timeout"), served("good", "good 1\n")]);
}
