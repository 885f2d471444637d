use super::check;
use crate::ledger::{
    AppRecord, At, Call, Came, Faults, Ledger, PushDone, PushRecord, ScrapeEnd, ScrapeRecord,
};
use crate::report::Kind;
use crate::scenario::{Scenario, Terms};
use crate::text::{Ending, Shape};
use prometheus_rsocket_client::PushMode;
use prometheus_rsocket_sim::LinkConfig;
use std::time::Duration;

/// Long after the beginning, so that all has settled.
const BEGIN: At = Duration::from_secs(1000);
const MS: Duration = Duration::from_millis(1);
const TEXT: Came = Came::Text(Shape { lines: 1, ending: Ending::Break });

#[test]
fn what_is_as_it_should_be_is_not_complained_of() {
    let mut ledger = two_scrapes();
    assert_eq!(kinds(&mut ledger), []);
    assert_eq!(ledger.counts.of("sections due"), 4);
    assert_eq!(ledger.counts.of("places compared"), 2);
    assert_eq!(ledger.counts.of("scrapes with nobody to wait for"), 2);
}

#[test]
fn an_application_that_answered_in_time_has_to_be_in_the_answer() {
    let mut ledger = two_scrapes();
    sections(&mut ledger, 0).retain(|(app, _)| *app == 0);
    assert_eq!(kinds(&mut ledger), [Kind::Missing]);
    // Not where something was done to it, or to the scraper, or to the proxy.
    for spoil in [
        |ledger: &mut Ledger| ledger.apps[1].faults.add(BEGIN - 5000 * MS, BEGIN - 5000 * MS),
        |ledger: &mut Ledger| ledger.apps[1].downs.add(BEGIN - 5000 * MS, BEGIN - 4000 * MS),
        |ledger: &mut Ledger| ledger.scrapers[0].add(BEGIN, BEGIN),
        |ledger: &mut Ledger| ledger.proxy.add(BEGIN, BEGIN),
    ] {
        let mut ledger = two_scrapes();
        sections(&mut ledger, 0).retain(|(app, _)| *app == 0);
        spoil(&mut ledger);
        assert_eq!(kinds(&mut ledger), []);
    }
}

#[test]
fn an_application_that_was_late_or_failed_need_not_be_in_the_answer() {
    for (after, came) in [(3_490, TEXT), (10, Came::Nothing)] {
        let mut ledger = two_scrapes();
        sections(&mut ledger, 0).retain(|(app, _)| *app == 0);
        ledger.apps[1].calls[0].came = Some((BEGIN + after * MS, came));
        ledger.scrapes[0].end.as_mut().unwrap().0 = BEGIN + 3_600 * MS;
        assert!(!kinds(&mut ledger).contains(&Kind::Missing), "{came:?}");
    }
}

#[test]
fn an_application_that_is_connected_has_to_be_asked() {
    let mut ledger = two_scrapes();
    sections(&mut ledger, 1).retain(|(app, _)| *app == 0);
    ledger.apps[1].calls.pop();
    assert_eq!(kinds(&mut ledger), [Kind::Missing]);
}

#[test]
fn whom_nothing_was_done_to_is_connected() {
    let mut ledger = two_scrapes();
    ledger.scrapes[0].ready[1] = false;
    assert_eq!(kinds(&mut ledger), [Kind::NotHealed]);
    let settled = terms().settled_within();
    ledger = two_scrapes();
    ledger.scrapes[0].ready[1] = false;
    ledger.apps[1].faults.add(BEGIN - settled, BEGIN - settled);
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn a_scrape_ends_by_its_deadline_and_before_if_all_have_answered() {
    let mut ledger = two_scrapes();
    end(&mut ledger, 0, 4_001 * MS);
    assert_eq!(kinds(&mut ledger), [Kind::Late, Kind::Lingering]);
    let mut ledger = two_scrapes();
    end(&mut ledger, 0, 3_900 * MS);
    assert_eq!(kinds(&mut ledger), [Kind::Lingering]);
    // There was somebody to wait for.
    ledger.mutes.add(BEGIN, BEGIN);
    assert_eq!(kinds(&mut ledger), []);
    ledger.mutes = Faults::default();
    ledger.apps[1].calls[0].came = None;
    assert_eq!(kinds(&mut ledger), []);
    ledger.scrapes[0].prompt = false;
    end(&mut ledger, 0, 4_900 * MS);
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn a_scrape_does_not_fail_by_itself() {
    for (after, kind) in [(100, Kind::Failed), (10_000, Kind::Late)] {
        let mut ledger = two_scrapes();
        let failed = ScrapeEnd::Failed("broken".to_owned());
        ledger.scrapes[0].end = Some((BEGIN + after * MS, failed));
        assert_eq!(kinds(&mut ledger), [kind]);
        ledger.scrapers[0].add(BEGIN, BEGIN);
        assert_eq!(kinds(&mut ledger), []);
    }
}

#[test]
fn a_text_is_in_one_scrape_once() {
    let mut ledger = two_scrapes();
    sections(&mut ledger, 0).push((1, 0));
    assert_eq!(kinds(&mut ledger), [Kind::Twice, Kind::Reordered]);
    let mut ledger = two_scrapes();
    sections(&mut ledger, 1)[0] = (0, 0);
    assert_eq!(kinds(&mut ledger), [Kind::Twice, Kind::Stale]);
}

#[test]
fn a_text_is_in_the_scrape_that_it_was_given_for() {
    let mut ledger = two_scrapes();
    ledger.apps[0].calls[0].at = BEGIN - MS;
    assert!(kinds(&mut ledger).contains(&Kind::Stale));
}

#[test]
fn applications_keep_their_order() {
    let mut ledger = two_scrapes();
    sections(&mut ledger, 1).reverse();
    assert_eq!(kinds(&mut ledger), [Kind::Reordered]);
    ledger.apps[1].faults.add(BEGIN + 3_000 * MS, BEGIN + 3_000 * MS);
    assert_eq!(kinds(&mut ledger), []);
}

#[test]
fn an_acknowledged_push_is_in_the_next_scrape() {
    let mut ledger = pushed(PushMode::Acknowledged);
    assert_eq!(kinds(&mut ledger), []);
    assert_eq!(ledger.counts.of("pushes seen"), 1);
    sections(&mut ledger, 1).pop();
    assert_eq!(kinds(&mut ledger), [Kind::PushLost]);
    // Where it is served again.
    let mut ledger = pushed(PushMode::Acknowledged);
    ledger.scrapes.push(scrape(BEGIN + 10_000 * MS, vec![(0, 2), (1, 1)]));
    ledger.apps[0].calls.push(call(BEGIN + 10_010 * MS));
    assert_eq!(kinds(&mut ledger), [Kind::Twice]);
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
    ledger.apps[1].calls[1].came = Some((BEGIN + 2_000 * MS, Came::Nothing));
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

/// Two applications that answer two scrapes, 5 s apart.
fn two_scrapes() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.scrapers.resize_with(1, Faults::default);
    let starts = [BEGIN, BEGIN + 5_000 * MS];
    for _ in 0..2 {
        let mut record = AppRecord::new(&LinkConfig::default(), 1_000, MS);
        record.calls = starts.map(|start| call(start + 10 * MS)).to_vec();
        ledger.apps.push(record);
    }
    for (serial, start) in starts.into_iter().enumerate() {
        ledger.scrapes.push(scrape(start, vec![(0, serial), (1, serial)]));
    }
    ledger
}

/// The second of them pushes and closes between the scrapes.
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

fn call(at: At) -> Call {
    Call { at, came: Some((at + 10 * MS, TEXT)) }
}

fn scrape(start: At, sections: Vec<(usize, usize)>) -> ScrapeRecord {
    let end = Some((start + 40 * MS, ScrapeEnd::Whole { len: 1_000, sections }));
    let (timeout, ready) = (terms().scrape_timeout, vec![true; 2]);
    ScrapeRecord { scraper: 0, opened: start, start, timeout, ready, prompt: true, end }
}

fn sections(ledger: &mut Ledger, index: usize) -> &mut Vec<(usize, usize)> {
    match &mut ledger.scrapes[index].end {
        Some((_, ScrapeEnd::Whole { sections, .. })) => sections,
        other => panic!("{other:?}"),
    }
}

fn end(ledger: &mut Ledger, index: usize, after: Duration) {
    let scrape = &mut ledger.scrapes[index];
    scrape.end.as_mut().unwrap().0 = scrape.start + after;
}

/// What is found wrong, by kind, each once.
fn kinds(ledger: &mut Ledger) -> Vec<Kind> {
    ledger.violations.clear();
    check(ledger, &terms());
    let mut kinds: Vec<Kind> = ledger.violations.iter().map(|violation| violation.kind).collect();
    kinds.dedup();
    kinds
}

fn terms() -> Terms {
    Scenario::new(1).terms()
}
