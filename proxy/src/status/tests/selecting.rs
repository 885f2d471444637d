use super::*;

#[test]
fn troubled_ones_come_first_and_say_why_and_since_when() {
    let mut world = World::new();
    let bad = world.connect("bad");
    let gone = world.connect("gone");
    world.connect("well");
    world.close(gone);
    world.advance(100);
    world.scrape_answered_empty_by(bad);
    world.advance(20);
    let overview = world.overview("");
    let row = |at: usize| &overview.applications[at];
    assert_eq!((&*row(0).id, row(0).status), ("shop~bad", AppStatus::Failing));
    assert_eq!(row(0).why.as_deref(), Some("answered without metrics"));
    assert_eq!(row(0).for_seconds, Some(20.0));
    assert_eq!((&*row(1).id, row(1).status), ("shop~gone", AppStatus::Gone));
    assert_eq!(row(1).for_seconds, Some(120.0));
    assert_eq!((&*row(2).id, row(2).status), ("shop~well", AppStatus::Waiting));
    let counts = overview.counts;
    assert_eq!((counts.total, counts.troubled, counts.failing, counts.gone), (3, 2, 1, 1));
}

#[test]
fn a_failure_lasts_from_its_first_scrape_on() {
    let mut world = World::new();
    world.connect("mute");
    for _ in 0..3 {
        world.scrape_in_vain();
        world.advance(9);
    }
    let row = &world.overview("").applications[0];
    let error = row.last_error.as_ref().unwrap();
    assert_eq!((error.reason, error.times), ("timeout", 3));
    assert_eq!((error.since_seconds, error.age_seconds), (29.0, 9.0));
    assert_eq!(row.for_seconds, Some(29.0));
}

#[test]
fn two_of_one_identity_are_told() {
    let mut world = World::new();
    world.connect("a");
    world.connect("a");
    let overview = world.overview("state=duplicate");
    assert_eq!(overview.page.matching, 2);
    assert!(overview.applications[0].why.as_ref().unwrap().contains("same identity"));
}

#[test]
fn a_text_is_looked_for_in_all_that_is_known() {
    let mut world = World::new();
    world.connect("Alpha");
    let beta = world.connect("beta");
    world.scrape_answered_empty_by(beta);
    for (query, expected) in [
        ("q=ALPHA", vec!["shop~Alpha"]),
        ("q=instance%3dbeta", vec!["shop~beta"]),
        ("q=192.0.2.7:1001", vec!["shop~beta"]),
        ("q=without+metrics", vec!["shop~beta"]),
        ("q=shop/1&sort=name", vec!["shop~Alpha", "shop~beta"]),
        ("q=nobody", vec![]),
        ("state=failing", vec!["shop~beta"]),
        ("state=troubled&q=alpha", vec![]),
    ] {
        assert_eq!(world.ids(query), expected, "{query}");
    }
}

#[test]
fn pages_have_each_application_once_in_every_order() {
    let mut world = World::new();
    for number in 0..(2 * PER_PAGE + 7) {
        world.connect(&format!("{number:03}"));
        world.now += Duration::from_millis(1);
    }
    for key in ["state", "name", "peer", "connected", "scraped", "took", "bytes", "series"] {
        for sign in ["", "-"] {
            let mut all = Vec::new();
            for (page, len) in [(1, PER_PAGE), (2, PER_PAGE), (3, 7)] {
                let ids = world.ids(&format!("sort={sign}{key}&page={page}"));
                assert_eq!(ids.len(), len);
                all.extend(ids);
            }
            // What is beyond the last page is the last page.
            assert_eq!(world.ids(&format!("sort={sign}{key}&page=99")), all[2 * PER_PAGE..]);
            let ordered = all.clone();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 2 * PER_PAGE + 7, "{sign}{key}");
            let mut backwards = all.clone();
            backwards.reverse();
            match (sign, key) {
                ("", "name") | ("-", "connected") => assert_eq!(ordered, all),
                ("-", "name") | ("", "connected") => assert_eq!(ordered, backwards),
                _ => {}
            }
        }
    }
    let page = world.overview("page=2").page;
    assert_eq!((page.page, page.pages, page.matching), (2, 3, 2 * PER_PAGE + 7));
}

#[test]
fn whoever_has_gone_is_remembered_beyond_its_grace_time_and_within_a_bound() {
    let mut world = World::new();
    for number in 0..MAX_DEPARTURES + 20 {
        let id = world.connect(&format!("a{number}"));
        world.close(id);
        world.advance(1);
    }
    world.connect("a119");
    world.advance(299);
    let departures = world.overview("").departures;
    assert_eq!(departures.len(), MAX_DEPARTURES);
    assert_eq!((&*departures[0].id, departures[0].now), ("shop~a119", "back"));
    assert_eq!(departures[1].now, "forgotten");
    assert_eq!(departures[0].age_seconds, 300.0);
    assert_eq!(world.overview("q=instance=a50").departures.len(), 1);
}

#[test]
fn the_names_of_missing_applications_are_bounded_and_all_are_counted() {
    let mut world = World::new();
    for number in 0..MAX_MISSING + 5 {
        world.connect(&format!("a{number}"));
    }
    for _ in 0..MAX_ROUNDS + 3 {
        let (deadline, scraper) = (world.now, Scraper::named("a", "x"));
        let started = world.collector.start_scrape(world.now, deadline, Targets::All, &scraper);
        let scrape = started.unwrap();
        world.advance(0);
        let round = Round::default();
        while let Progress::Outcome(outcome) = world.collector.poll_scrape(scrape) {
            round.add(&outcome);
        }
        world.collector.end_scrape(scrape, false);
        let whose = ("<i>prometheus\u{202e}", "192.0.2.1".to_owned());
        world.history.on_round(world.now, Duration::from_secs(1), whose, "partial", &round);
    }
    let rounds = world.overview("").rounds;
    assert_eq!(rounds.len(), MAX_ROUNDS);
    let round = &rounds[0];
    assert_eq!((round.applications, round.missing, round.served), (15, 15, 0));
    assert_eq!(round.missing_first.len(), MAX_MISSING);
    assert_eq!(round.missing_first[0], Missing { id: "shop~a0".to_owned(), reason: "timeout" });
    assert_eq!(round.scraper, "<i>prometheus\\u{202e}");
}
