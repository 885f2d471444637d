use super::*;
use crate::collector::SLOW;

fn look(world: &mut World, app: ConnectionId) -> ScrapeId {
    let id = world.app(app).id;
    let deadline = world.now + Duration::from_secs(10);
    let look = world.collector.start_look(world.now, deadline, id).unwrap();
    world.run();
    look
}

#[test]
fn a_failure_is_remembered_with_its_beginning_and_its_end() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let answer = |world: &mut World, text| {
        let scrape = world.start();
        world.answer(app, text);
        world.work();
        world.take(scrape);
        world.collector.end_scrape(scrape, true);
    };
    answer(&mut world, "a 1\n");
    assert_eq!(world.app(app).trouble, None);
    world.advance(Duration::from_secs(60));
    let since = world.now;
    for _ in 0..3 {
        answer(&mut world, "a b c\n");
        world.advance(Duration::from_secs(1));
    }
    let entry = world.app(app);
    let trouble = entry.failing().unwrap();
    assert_eq!(
        (trouble.since, trouble.at, trouble.times),
        (since, since + Duration::from_secs(2), 3)
    );
    assert_eq!(trouble.failure.reason(), "exposition");
    let served = entry.last_served.as_ref().unwrap();
    assert_eq!((served.bytes, served.samples), (4, 1));
    assert_eq!(entry.report().unwrap().1, since);
    let ended = world.now;
    answer(&mut world, "a 1\n");
    let entry = world.app(app);
    assert!(entry.failing().is_none() && entry.report().is_none());
    assert_eq!(entry.trouble.as_ref().unwrap().ended, Some(ended));
}

#[test]
fn slow_answers_are_noted_from_the_first_of_them_on() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let mut scrape_in = |took| {
        let scrape = world.start();
        world.advance(took);
        world.answer(app, "a 1\n");
        world.work();
        world.take(scrape);
        world.collector.end_scrape(scrape, true);
        (world.app(app).slow_since, world.now)
    };
    assert_eq!(scrape_in(SLOW - Duration::from_millis(1)).0, None);
    let (since, now) = scrape_in(SLOW);
    assert_eq!(since, Some(now));
    assert_eq!(scrape_in(SLOW * 2).0, Some(now));
    assert_eq!(scrape_in(Duration::ZERO).0, None);
}

#[test]
fn an_answer_that_waits_to_be_opened_is_not_slow() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.advance(Duration::from_millis(300));
    world.answer(app, "a 1\n");
    world.advance(SLOW * 2);
    world.work();
    assert_eq!(world.take(scrape).0, [served("a", "a 1\n")]);
    let entry = world.app(app);
    assert_eq!(entry.last_served.as_ref().unwrap().took, Duration::from_millis(300));
    assert_eq!(entry.slow_since, None);
}

#[test]
fn whoever_only_looks_takes_no_push_and_is_not_waited_for() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "last 9\n");
    world.work();
    world.cut(app);
    let scrape = world.start();
    assert_eq!(world.take(scrape).0, [served("a", "last 9\n")]);
    world.collector.end_scrape(scrape, false);
    for delivered in [true, false, true] {
        let id = world.collector.app_at("a").unwrap().id;
        let look = world.collector.start_look(world.now, world.now, id).unwrap();
        assert_eq!(world.take(look).0, [served("a", "last 9\n")]);
        world.collector.scrape_sent(look);
        world.collector.end_scrape(look, delivered);
        assert_eq!(world.collector.missed_pushes(world.now), 1);
    }
    assert_eq!(world.collector.known_scrapers().len(), 1);
    let scrape = world.start();
    assert_eq!(world.take(scrape).0, [served("a", "last 9\n")]);
    world.collector.end_scrape(scrape, true);
    assert_eq!(world.collector.missed_pushes(world.now), 0);
}

#[test]
fn two_who_look_at_the_same_time_see_the_same_push() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    world.push(app, "last 9\n");
    world.work();
    world.cut(app);
    let id = world.collector.app_at("a").unwrap().id;
    let mut start = || world.collector.start_look(world.now, world.now, id).unwrap();
    let looks = [start(), start()];
    for look in looks {
        assert_eq!(world.take(look).0, [served("a", "last 9\n")]);
    }
}

#[test]
fn a_look_shares_the_request_of_a_scrape() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    let look = look(&mut world, app);
    assert_eq!(world.collector.requests(), 1);
    world.answer(app, "a 1\n");
    world.work();
    let scraped = |notice: &&Notice| matches!(notice, Notice::Scraped { .. });
    assert_eq!(world.notices.iter().filter(scraped).count(), 1);
    for scrape in [scrape, look] {
        assert_eq!(world.take(scrape).0, [served("a", "a 1\n")]);
        world.collector.end_scrape(scrape, true);
    }
}

#[test]
fn held_pushes_say_whose_they_are_how_old_and_who_has_had_them() {
    let mut world = World::new(Config::default());
    let apps = ["a", "b"].map(|name| world.connect_as(name));
    for app in apps {
        world.push(app, "last 9\n");
        world.work();
        world.advance(Duration::from_secs(5));
    }
    let ids = apps.map(|app| world.app(app).id);
    world.cut(apps[0]);
    let scrape = world.start_for(Targets::Some(vec![ids[0]]));
    world.take(scrape);
    world.collector.end_scrape(scrape, true);
    let held: Vec<_> = world.collector.held(world.now, None).collect();
    let rows = held.iter().map(|push| (push.app, push.age.as_secs(), push.left.as_secs()));
    assert_eq!(rows.collect::<Vec<_>>(), [(ids[0], 10, 3590), (ids[1], 5, 3595)]);
    assert_eq!((held[0].had.len(), held[0].missing.len()), (1, 0));
    assert_eq!((held[1].had.len(), held[1].missing.len()), (0, 1));
    assert_eq!((held[0].text_len, held[0].samples, held[0].is_stored), (7, 1, false));
    let of_one: Vec<_> = world.collector.held(world.now, Some(ids[1])).collect();
    assert_eq!(of_one, held[1..]);
}

#[test]
fn a_look_leaves_no_trace() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    look(&mut world, app);
    world.answer(app, "a b c\n");
    world.work();
    look(&mut world, app);
    world.advance(Duration::from_secs(11));
    let entry = world.app(app);
    assert!(entry.last_scrape.is_none() && entry.trouble.is_none());
    let tells =
        |notice: &Notice| matches!(notice, Notice::Scraped { .. } | Notice::ScrapeFailing { .. });
    assert!(!world.has_notice(tells));
}
