//! Answers take up the room for them.

use super::*;

/// Room of which two answers of these tests take half.
fn config() -> Config {
    let mut world = World::new(Config::default());
    let id = world.connect();
    world.start();
    world.answer(id, "a 1\n");
    world.work();
    Config { max_pending_bytes: 4 * world.collector.answer_bytes(), ..Config::default() }
}

fn world() -> (World, Vec<ConnectionId>) {
    let mut world = World::new(config());
    let ids = (0..6).map(|_| world.connect()).collect();
    (world, ids)
}

fn paths(served: &[Served]) -> Vec<&str> {
    served.iter().map(|(path, _)| &**path).collect()
}

#[test]
fn scrapes_wait_first_for_those_who_are_next() {
    let (mut world, ids) = world();
    assert_eq!(world.collector.heads().count(), 0);
    let scrape = world.start();
    assert_eq!(world.collector.heads().collect::<Vec<_>>(), ids[..4]);
    world.answer(ids[0], "a 1\n");
    world.work();
    assert!(!world.collector.is_pressed());
    world.answer(ids[2], "a 1\n");
    world.work();
    assert!(world.collector.is_pressed());
    assert_eq!(world.collector.heads().collect::<Vec<_>>(), [ids[1], ids[3]]);
    world.take(scrape);
    assert!(!world.collector.is_pressed());
    assert_eq!(world.collector.heads().collect::<Vec<_>>(), [ids[1], ids[3], ids[4]]);
}

#[test]
fn who_does_not_answer_is_passed_over_once_others_take_up_the_room() {
    let (mut world, ids) = world();
    let scrape = world.start();
    for id in &ids[1..3] {
        world.answer(*id, "a 1\n");
    }
    world.work();
    world.advance(Duration::from_millis(2_499));
    assert_eq!(world.take(scrape).0, [], "in the order of connecting, as long as there is time");
    world.advance(Duration::from_millis(1));
    assert_eq!(world.collector.poll_news(), Some(scrape), "the scraper hears of it");
    // One outcome makes room for the answer that the other scrape waits for.
    assert_eq!(paths(&world.take(scrape).0), ["connection-2"]);
    world.answer(ids[0], "a 1\n");
    world.work();
    let (served, _) = world.take(scrape);
    assert_eq!(paths(&served), ["connection-1", "connection-3"]);
}

/// One scraper does not read, and its answers take up the room. The other gets its answers one by one.
#[test]
fn a_scraper_that_does_not_read_keeps_no_other_from_its_answers() {
    let (mut world, ids) = world();
    let slow = world.start();
    for id in &ids[..2] {
        world.answer(*id, "a 1\n");
    }
    world.work();
    assert!(world.collector.is_pressed());
    let fast = world.start();
    let mut taken = Vec::new();
    for id in &ids {
        assert!(world.collector.heads().any(|head| head == *id), "it is let through");
        world.answer(*id, "a 1\n");
        world.work();
        taken.extend(paths(&world.take(fast).0).into_iter().map(str::to_owned));
        assert!(world.collector.is_pressed(), "the other still takes nothing");
    }
    assert_eq!(taken.len(), ids.len());
    assert!(matches!(world.collector.poll_scrape(fast), Progress::Finished(_)));
    assert!(matches!(world.collector.poll_scrape(slow), Progress::Outcome(_)));
}

/// Two scrapes may each hold answers for which the other has to wait.
#[test]
fn a_scrape_hears_when_the_answers_of_another_take_up_the_room() {
    let (mut world, ids) = world();
    let of = |world: &World, ids: &[ConnectionId]| {
        Targets::Some(ids.iter().map(|id| world.app(*id).id).collect())
    };
    let (first, second) = (of(&world, &ids[..2]), of(&world, &ids[2..]));
    let waiting = world.start_for(first);
    world.answer(ids[1], "a 1\n");
    world.work();
    world.advance(Duration::from_secs(3));
    assert_eq!(world.take(waiting).0, [], "there is room");
    while world.collector.poll_news().is_some() {}
    world.start_for(second);
    world.answer(ids[3], "a 1\n");
    world.work();
    let news: Vec<ScrapeId> = std::iter::from_fn(|| world.collector.poll_news()).collect();
    assert!(news.contains(&waiting), "{news:?}");
    assert_eq!(paths(&world.take(waiting).0), ["connection-2"]);
}
