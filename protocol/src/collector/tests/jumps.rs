//! The clock jumps because the process or the machine was suspended.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn after_a_jump_answers_that_come_within_a_second_are_served() {
    let mut world = World::new(Config::default());
    let (prompt, late, mute) =
        (world.connect_as("prompt"), world.connect_as("late"), world.connect_as("mute"));
    let scrape = world.start();
    world.jump(HOUR);
    assert_eq!(world.take(scrape), (vec![], None));
    world.answer(prompt, "prompt 1\n");
    world.work();
    world.advance(Duration::from_millis(900));
    world.answer(late, "late 1\n");
    world.work();
    world.advance(Duration::from_millis(100));
    let expected =
        [served("prompt", "prompt 1\n"), served("late", "late 1\n"), failed("mute", "timeout")];
    assert_eq!(world.take(scrape), (expected.into(), Some(summary(3, 2, 0))));
    assert_eq!(world.peer(mute).cancelled.len(), 1);
}

#[test]
fn a_scrape_goes_on_once_and_only_after_a_jump() {
    let mut world = World::new(Config::default());
    world.connect_as("mute");
    let scrape = world.start();
    world.jump(Duration::from_secs(12));
    assert!(world.take(scrape).1.is_some(), "a busy moment is no jump");
    let scrape = world.start();
    world.jump(HOUR);
    assert!(world.take(scrape).1.is_none());
    world.jump(HOUR);
    assert!(world.take(scrape).1.is_some(), "it was extended before");
}

#[test]
fn a_scrape_that_begins_after_a_jump_asks_anew_and_both_are_answered() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let before = world.start();
    world.jump(HOUR);
    let after = world.start();
    assert_eq!(world.peer(app).cancelled.len(), 1);
    world.answer(app, "a 1\n");
    world.work();
    for scrape in [before, after] {
        assert_eq!(world.take(scrape).0, [served("a", "a 1\n")]);
    }
}
