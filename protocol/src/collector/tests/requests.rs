//! Scrapes that share requests.

use super::*;

#[test]
fn scrapes_at_once_ask_an_application_once() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let (first, second) = (world.start(), world.start());
    assert_eq!((world.peer(app).asked.len(), world.collector.requests()), (1, 1));
    world.answer(app, "a 1\n");
    // A scrape joins even while the answer is being opened.
    let third = world.start();
    assert_eq!(world.peer(app).asked.len(), 0);
    world.work();
    let held = world.collector.pending_bytes();
    for scrape in [first, second, third] {
        assert_eq!(world.collector.pending_bytes(), held, "shared, and counted once");
        assert_eq!(world.take(scrape).0, [served("a", "a 1\n")]);
    }
    assert_eq!((world.collector.pending_bytes(), world.collector.requests()), (0, 0));
    assert_eq!(world.failures(), []);
}

#[test]
fn answers_are_opened_before_pushes_and_first_for_the_scrape_that_ends_first() {
    let mut world = World::new(Config::default());
    let (late, soon, both) =
        (world.connect_as("late"), world.connect_as("soon"), world.connect_as("both"));
    let ids = [late, soon, both].map(|app| world.app(app).id);
    world.push(late, "pushed 1\n");
    let start = |world: &mut World, seconds, apps| {
        let deadline = world.now + Duration::from_secs(seconds);
        let started = world.collector.start_scrape(
            world.now,
            deadline,
            Targets::Some(apps),
            &Scraper::named("a", "x"),
        );
        world.run();
        started.unwrap()
    };
    let slow = start(&mut world, 60, vec![ids[0], ids[2]]);
    for app in [late, both] {
        world.answer(app, "answer 1\n");
    }
    // It has less time, and wants an answer that has already arrived.
    let quick = start(&mut world, 3, vec![ids[1], ids[2]]);
    world.answer(soon, "answer 1\n");
    let work = |world: &mut World| {
        let done = work_one(world.collector.poll_job().unwrap());
        world.collector.handle_job(world.now, done);
    };
    work(&mut world);
    work(&mut world);
    let expected = [served("soon", "answer 1\n"), served("both", "answer 1\n")];
    assert_eq!(world.take(quick), (expected.into(), Some(summary(2, 2, 0))));
    work(&mut world);
    assert_eq!(world.take(slow).1, Some(summary(2, 2, 0)));
    assert_eq!(world.collector.held_pushes(), 0);
    work(&mut world);
    assert_eq!((world.collector.held_pushes(), world.collector.has_jobs()), (1, false));
}

#[test]
fn a_request_is_cancelled_once_nobody_waits_for_it() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let (first, second) = (world.start(), world.start());
    world.collector.end_scrape(first, false);
    world.run();
    assert_eq!(world.peer(app).cancelled.len(), 0);
    world.collector.end_scrape(second, false);
    world.run();
    assert_eq!(world.peer(app).cancelled.len(), 1);
    assert_eq!((world.collector.requests(), world.collector.poll_timeout()), (0, None));
}

#[test]
fn an_answer_that_waits_to_be_opened_is_dropped_once_its_last_scraper_has_left() {
    let mut world = World::new(Config::default());
    let (both, one) = (world.connect_as("both"), world.connect_as("one"));
    let (first, second) = (world.start(), world.start_for(Targets::Some(vec![world.app(both).id])));
    for app in [both, one] {
        world.answer(app, "answer 1\n");
    }
    world.collector.end_scrape(first, false);
    world.run();
    assert!(world.collector.peek_job().is_some(), "the second still waits for one of them");
    world.work();
    assert_eq!(world.take(second).0, [served("both", "answer 1\n")]);
    assert_eq!(world.failures(), []);

    let third = world.start();
    for app in [both, one] {
        world.answer(app, "answer 2\n");
    }
    assert!(world.collector.has_jobs());
    world.collector.end_scrape(third, false);
    assert!(world.collector.poll_job().is_none());
    assert_eq!((world.collector.unopened_bytes(), world.collector.requests()), (0, 0));
}

#[test]
fn an_answer_is_dropped_with_the_last_deadline_and_one_that_another_scrape_wants_is_not() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let first = world.start();
    world.advance(Duration::from_secs(5));
    let second = world.start();
    world.answer(app, "a 1\n");
    world.advance(Duration::from_secs(5));
    assert_eq!(world.take(first).0, [failed("a", "overloaded")]);
    assert!(world.collector.peek_job().is_some());
    world.advance(Duration::from_secs(5));
    assert_eq!(world.take(second).0, [failed("a", "overloaded")]);
    assert!(world.collector.peek_job().is_none() && world.collector.poll_job().is_none());
    assert_eq!(world.collector.unopened_bytes(), 0);
}

#[test]
fn who_missed_a_deadline_is_asked_again_by_the_next_scrape() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let first = world.start();
    world.advance(Duration::from_secs(5));
    let second = world.start();
    world.advance(Duration::from_secs(5));
    assert_eq!(world.take(first).0, [failed("a", "timeout")]);
    assert_eq!(world.peer(app).asked.len(), 1, "the second still waits for the one request");
    let third = world.start();
    assert_eq!(world.peer(app).cancelled.len(), 1);
    assert_eq!(world.peer(app).asked.len(), 1, "asked anew, for the second and the third");
    world.answer(app, "a 1\n");
    world.work();
    assert_eq!(world.take(second).0, [served("a", "a 1\n")]);
    assert_eq!(world.take(third).0, [served("a", "a 1\n")]);
}

#[test]
fn a_late_answer_is_dropped_and_never_served_as_fresh() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let first = world.start();
    let stream_id = world.peer(app).asked[0];
    world.now += Duration::from_secs(10);
    world.collector.handle_timeout(world.now);
    // The application answers before it receives the CANCEL.
    world.peer(app).app.respond(stream_id, sealed("late 1\n")).unwrap();
    let second = world.start();
    world.work();
    assert_eq!(world.take(first).0, [failed("a", "timeout")]);
    assert_eq!(world.take(second), (vec![], None));
    world.peer(app).asked.retain(|asked| *asked != stream_id);
    world.answer(app, "fresh 2\n");
    world.work();
    assert_eq!(world.take(second).0, [served("a", "fresh 2\n")]);
    assert_eq!(world.collector.pending_bytes(), 0);
}

#[test]
fn a_plaintext_answer_is_compressed_once_and_a_sealed_one_is_kept_as_it_came() {
    let mut world = World::new(Config::default());
    let app = world.connect_as("a");
    let scrape = world.start();
    world.answer(app, "a 1\n");
    world.work();
    let Progress::Outcome(outcome) = world.collector.poll_scrape(scrape) else { panic!() };
    assert_eq!(outcome.result.unwrap().block, envelope::compress(b"a 1\n"));
}
