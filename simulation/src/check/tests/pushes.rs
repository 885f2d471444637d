//! Pushes, and the scrapers that they reach.

use super::*;

#[test]
fn an_acknowledged_push_is_in_the_next_scrape() {
    let mut ledger = pushed(PushMode::Acknowledged);
    assert_eq!(kinds(&mut ledger), []);
    assert_eq!(ledger.counts.of("pushes seen"), 1);
    sections(&mut ledger, 1).pop();
    assert_eq!(kinds(&mut ledger), [Kind::PushLost]);
    // It is served again.
    let mut ledger = pushed(PushMode::Acknowledged);
    scrape_again(&mut ledger);
    assert_eq!(kinds(&mut ledger), [Kind::Twice]);
    // The connection may have ended, and the push was sent again over the next one.
    let at = ledger.apps[1].pushes[0].at;
    ledger.apps[1].faults.add(at, at);
    assert!(!kinds(&mut ledger).contains(&Kind::Twice));
}

#[test]
fn a_push_of_which_nothing_is_heard_is_served_where_nothing_is_in_its_way() {
    let mut ledger = pushed(PushMode::FireAndForget);
    sections(&mut ledger, 1).pop();
    assert_eq!(kinds(&mut ledger), [Kind::PushLost]);
    ledger.apps[1].faults.add(BEGIN + 2_000 * MS, BEGIN + 2_000 * MS);
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn what_is_no_metrics_is_not_acknowledged() {
    let mut ledger = pushed(PushMode::Acknowledged);
    sections(&mut ledger, 1).pop();
    ledger.apps[1].calls[1].came = Some((BEGIN + 2_000 * MS, Came::Nothing("refused")));
    assert_eq!(kinds(&mut ledger), [Kind::PushLost]);
}

#[test]
fn a_push_may_be_lost_with_a_scraper_but_not_with_one_that_left_at_once() {
    for (early, expected) in [(false, vec![]), (true, vec![Kind::PushLost])] {
        let mut ledger = pushed(PushMode::Acknowledged);
        sections(&mut ledger, 1).pop();
        let mut left = scrape(BEGIN + 3_000 * MS, Vec::new());
        left.end = Some((left.start + MS, ScrapeEnd::Abandoned { early }));
        left.ready[1] = false;
        ledger.scrapes.insert(1, left);
        assert_eq!(kinds(&mut ledger), expected);
    }
}

#[test]
fn a_push_has_its_time() {
    let mut ledger = pushed(PushMode::Acknowledged);
    sections(&mut ledger, 1).pop();
    let push = &mut ledger.apps[1].pushes[0];
    let back = terms().push_ttl + 3_000 * MS;
    push.at -= back;
    push.done.as_mut().unwrap().at -= back;
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn a_push_reaches_every_scraper() {
    let mut ledger = pushed(PushMode::Acknowledged);
    scrape_again(&mut ledger);
    ledger.scrapes[2].scraper = 1;
    ledger.scrapers.push(Faults::default());
    assert_eq!(kinds(&mut ledger), []);
    assert_eq!(ledger.counts.of("pushes seen"), 2);
    sections(&mut ledger, 2).pop();
    assert_eq!(kinds(&mut ledger), [Kind::PushLost]);
    // Nothing is due to a scraper to which something was done.
    ledger.scrapers[1].add(BEGIN + 10_000 * MS, BEGIN + 10_000 * MS);
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn a_push_comes_again_unless_it_is_known_that_it_was_read() {
    let mut ledger = pushed(PushMode::Acknowledged);
    scrape_again(&mut ledger);
    let (end, went_on) = (BEGIN + 5_040 * MS, BEGIN + 5_050 * MS);
    assert_eq!(ledger.scrapes[1].went_on, Some(went_on));
    for spoil in [
        |ledger: &mut Ledger, _, _| ledger.scrapes[1].went_on = None,
        |ledger: &mut Ledger, end, went_on| ledger.scrapers[0].add(end, went_on),
        |ledger: &mut Ledger, _, went_on| ledger.proxy.add(went_on, went_on + MS),
    ] {
        let mut spoilt = pushed(PushMode::Acknowledged);
        scrape_again(&mut spoilt);
        spoil(&mut spoilt, end, went_on);
        assert_eq!(kinds(&mut spoilt), []);
    }
    // The next request over the same connection shows that it was read.
    ledger.scrapes[1].went_on = Some(ledger.scrapes[2].start);
    ledger.scrapes[2].opened = ledger.scrapes[1].opened;
    assert_eq!(kinds(&mut ledger), [Kind::Twice]);
    ledger.scrapes[2].opened += MS;
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn an_answer_supersedes_a_push_for_whom_it_reaches_and_another_push_does_not() {
    let superseded = || {
        let mut ledger = pushed(PushMode::Acknowledged);
        ledger.apps[1].instance = Some(1);
        ledger.apps[1].calls.push(call(BEGIN + 3_000 * MS));
        sections(&mut ledger, 1)[1] = (1, 2);
        ledger
    };
    let is_lost = |ledger: &mut Ledger| kinds(ledger).contains(&Kind::PushLost);
    let mut ledger = superseded();
    assert!(!is_lost(&mut ledger));
    assert_eq!(ledger.counts.of("pushes superseded"), 1);
    // Its connections are applications of their own.
    ledger.apps[1].instance = None;
    assert!(is_lost(&mut ledger));
    let mut ledger = superseded();
    let mut later = ledger.apps[1].pushes[0].clone();
    (later.first_call, later.at) = (2, BEGIN + 2_990 * MS);
    *later.done.as_mut().unwrap() =
        PushDone { at: BEGIN + 3_020 * MS, result: Ok(()), end_call: 3 };
    ledger.apps[1].pushes.push(later);
    assert!(is_lost(&mut ledger));
    sections(&mut ledger, 1).insert(1, (1, 1));
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn a_push_is_left_out_while_it_is_not_known_whether_it_was_read() {
    for (end, expected) in [(4_990, vec![Kind::PushLost]), (4_999, vec![])] {
        let mut ledger = pushed(PushMode::Acknowledged);
        sections(&mut ledger, 1).pop();
        let mut broken = scrape(BEGIN + 3_000 * MS, Vec::new());
        broken.end = Some((BEGIN + end * MS, ScrapeEnd::Failed("reset".to_owned())));
        broken.ready[1] = false;
        ledger.scrapers[0].add(BEGIN + end * MS, BEGIN + end * MS);
        ledger.scrapes.insert(1, broken);
        assert_eq!(kinds(&mut ledger), expected, "{end}");
    }
}

#[test]
fn headers_deliver_nothing() {
    let mut ledger = pushed(PushMode::Acknowledged);
    let mut headers = scrape(BEGIN + 3_000 * MS, Vec::new());
    headers.end = Some((BEGIN + 3_005 * MS, ScrapeEnd::Headers));
    headers.ready[1] = false;
    ledger.scrapes.insert(1, headers);
    assert_eq!(kinds(&mut ledger), []);
    sections(&mut ledger, 2).pop();
    assert_eq!(kinds(&mut ledger), [Kind::PushLost]);
}

/// Adds a third scrape, which has the push.
fn scrape_again(ledger: &mut Ledger) {
    let mut again = scrape(BEGIN + 10_000 * MS, vec![(0, 2), (1, 1)]);
    again.ready[1] = false;
    ledger.scrapes.push(again);
    ledger.apps[0].calls.push(call(BEGIN + 10_010 * MS));
}

/// The second application pushes and closes between the scrapes.
fn pushed(mode: PushMode) -> Ledger {
    let mut ledger = two_scrapes();
    let at = BEGIN + 2_000 * MS;
    let done = Some(PushDone { at: at + 20 * MS, result: Ok(()), end_call: 2 });
    let app = &mut ledger.apps[1];
    app.calls[1] = call(at + 5 * MS);
    app.pushes.push(PushRecord { at, mode, first_call: 1, done });
    app.downs.begin(at);
    ledger.scrapes[1].ready[1] = false;
    ledger
}
