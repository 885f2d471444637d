use super::check;
use crate::fleet::ledger::{Answer, AppRecord, Ledger, Life, Push, Round};
use crate::fleet::{Disks, Fleet};
use crate::ledger::At;
use crate::report::Kind;
use prometheus_rsocket_sim::Balance;

const S: At = At::from_secs(1);
const FIRST: Life = Life { proxy: 0, number: 1 };
const SECOND: Life = Life { proxy: 1, number: 1 };

/// Eight applications at two proxies, which have four each. The first one has pushed before, and both scrapers have the push.
fn fleet() -> Ledger {
    let mut ledger = Ledger { scrapers: 2, ..Ledger::default() };
    ledger.apps.resize_with(8, AppRecord::default);
    ledger.apps[0].calls = vec![10 * S, 100 * S];
    ledger.apps[1..].iter_mut().for_each(|app| app.calls = vec![100 * S]);
    let push = Push { at: 10 * S, stored: 11 * S, serials: 0..1, by: FIRST };
    ledger.apps[0].pushes.push(push);
    for scraper in 0..2 {
        let texts = vec![(0, 0)];
        ledger.answers.push(Answer { scraper, of: FIRST, end: 20 * S, texts });
    }
    let live = |apps: std::ops::Range<usize>| Some(apps.map(|app| (app, 0)).collect::<Vec<_>>());
    let mut answers = vec![live(0..4), live(4..8)];
    answers[0].as_mut().unwrap()[0] = (0, 1);
    let round = Round { start: 99 * S, end: 101 * S, answers, settled: vec![true; 8] };
    ledger.rounds.push(round);
    ledger
}

fn kinds(ledger: &mut Ledger, balance: Balance) -> Vec<Kind> {
    judged(ledger, Fleet { balance, ..Fleet::new(0, 2) })
}

fn judged(ledger: &mut Ledger, fleet: Fleet) -> Vec<Kind> {
    check(ledger, &fleet);
    let mut kinds: Vec<Kind> = ledger.violations.drain(..).map(|found| found.kind).collect();
    kinds.dedup();
    kinds
}

fn found(ledger: &mut Ledger) -> Vec<Kind> {
    kinds(ledger, Balance::LeastConnections)
}

fn texts(ledger: &mut Ledger, proxy: usize) -> &mut Vec<(usize, usize)> {
    ledger.rounds[0].answers[proxy].as_mut().unwrap()
}

#[test]
fn what_is_as_it_should_be_is_not_complained_of() {
    let mut ledger = fleet();
    assert_eq!(found(&mut ledger), []);
    assert_eq!(ledger.counts.of("pushes delivered"), 2);
    assert_eq!(ledger.counts.of("applications found"), 8);
}

#[test]
fn a_push_reaches_each_scraper_in_time() {
    let mut ledger = fleet();
    ledger.answers.pop();
    assert_eq!(found(&mut ledger), [Kind::PushLost]);
    let mut ledger = fleet();
    ledger.answers[1].end = 312 * S;
    assert_eq!(found(&mut ledger), [Kind::PushLost]);
    // It counts from any proxy.
    let mut ledger = fleet();
    ledger.answers[1].of = SECOND;
    assert_eq!(found(&mut ledger), []);
}

#[test]
fn a_push_may_be_superseded_by_its_proxy_and_be_lost_with_it() {
    let mut ledger = fleet();
    ledger.answers[1].texts = vec![(0, 1)];
    assert_eq!(found(&mut ledger), []);
    assert_eq!(ledger.counts.of("pushes superseded"), 1);
    ledger.answers[1].of = SECOND;
    assert_eq!(found(&mut ledger), [Kind::PushLost]);
    ledger.kills.push((15 * S, SECOND));
    assert_eq!(found(&mut ledger), [Kind::PushLost]);
    ledger.kills.push((15 * S, FIRST));
    assert_eq!(found(&mut ledger), []);
    assert_eq!(ledger.counts.of("pushes lost with a proxy that was killed"), 1);
    // Not for pushes on a disk: the proxy that has them next serves them, or something later.
    let fleet = Fleet { disks: Disks::Safe, ..Fleet::new(0, 2) };
    assert_eq!(judged(&mut ledger, fleet.clone()), [Kind::PushLost]);
    ledger.answers[1].of = Life { number: 2, ..FIRST };
    assert_eq!(judged(&mut ledger, fleet), []);
}

#[test]
fn each_application_is_in_one_answer() {
    let mut ledger = fleet();
    texts(&mut ledger, 1).push((3, 0));
    assert_eq!(found(&mut ledger), [Kind::Twice]);
    let mut ledger = fleet();
    texts(&mut ledger, 1).remove(0);
    assert_eq!(found(&mut ledger), [Kind::Missing]);
    // An old text is not an answer.
    let mut ledger = fleet();
    texts(&mut ledger, 0)[0] = (0, 0);
    assert_eq!(found(&mut ledger), [Kind::Missing]);
    ledger.rounds[0].settled[0] = false;
    assert_eq!(found(&mut ledger), [Kind::NotHealed]);
    ledger = fleet();
    ledger.rounds[0].answers[1] = None;
    assert!(found(&mut ledger).contains(&Kind::NotHealed));
}

#[test]
fn no_proxy_has_a_quarter_more_than_its_share() {
    let mut ledger = fleet();
    let moved = texts(&mut ledger, 1).pop().unwrap();
    texts(&mut ledger, 0).push(moved);
    assert_eq!(found(&mut ledger), []);
    let moved = texts(&mut ledger, 1).pop().unwrap();
    texts(&mut ledger, 0).push(moved);
    assert_eq!(found(&mut ledger), [Kind::Uneven]);
    assert_eq!(kinds(&mut ledger, Balance::Random), []);
    // Both may have been there a moment ago.
    texts(&mut ledger, 0).truncate(4);
    (4..6).for_each(|app| ledger.rounds[0].settled[app] = false);
    assert!(!found(&mut ledger).contains(&Kind::Uneven));
}
