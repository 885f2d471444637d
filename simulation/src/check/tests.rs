use super::check;
use crate::ledger::{
    AppRecord, At, Call, Came, Faults, Ledger, ListRecord, Of, PushDone, PushRecord, Row,
    ScrapeEnd, ScrapeRecord,
};
use crate::report::Kind;
use crate::scenario::{Scenario, Terms};
use crate::text::{Ending, Shape};
use prometheus_rsocket_client::PushMode;
use prometheus_rsocket_sim::LinkConfig;
use std::time::Duration;

/// Long after the beginning, so that everything has settled.
const BEGIN: At = Duration::from_secs(1000);
const MS: Duration = Duration::from_millis(1);
const TEXT: Came = Came::Text(Shape { lines: 1, ending: Ending::Break, instance: None });

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
    // Nothing is due if something was done to the application, the scraper, or the proxy.
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
    for (after, came) in [(3_490, TEXT), (10, Came::Nothing("refused"))] {
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
    ledger.apps[1].calls[0].dropped = Some(BEGIN + 3_600 * MS);
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
    assert_eq!(kinds(&mut ledger), [Kind::Twice]);
    let mut ledger = two_scrapes();
    sections(&mut ledger, 1)[0] = (0, 0);
    assert_eq!(kinds(&mut ledger), [Kind::Twice, Kind::Stale]);
}

#[test]
fn a_text_is_in_the_scrape_that_it_was_given_for() {
    let mut ledger = two_scrapes();
    ledger.apps[0].calls[0] = call(BEGIN - 3_000 * MS);
    assert_eq!(kinds(&mut ledger), [Kind::Missing, Kind::Stale]);
    let mut ledger = two_scrapes();
    ledger.apps[0].calls[1] = call(BEGIN + 4_000 * MS);
    assert_eq!(kinds(&mut ledger), [Kind::Missing, Kind::Stale]);
}

#[test]
fn applications_keep_their_order() {
    let mut ledger = two_scrapes();
    sections(&mut ledger, 1).reverse();
    assert_eq!(kinds(&mut ledger), [Kind::Reordered]);
    ledger.apps[1].faults.add(BEGIN + 3_000 * MS, BEGIN + 3_000 * MS);
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

fn call(at: At) -> Call {
    Call { at, came: Some((at + 10 * MS, TEXT)), dropped: None }
}

fn scrape(start: At, sections: Vec<(usize, usize)>) -> ScrapeRecord {
    let end = Some((start + 40 * MS, ScrapeEnd::Whole { len: 1_000, sections, rows: Vec::new() }));
    let (timeout, ready) = (terms().scrape_timeout, vec![true; 2]);
    ScrapeRecord {
        scraper: 0,
        of: Of::All,
        opened: start,
        start,
        timeout,
        ready,
        prompt: true,
        end,
        went_on: Some(start + 50 * MS),
    }
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

/// Returns the kinds of violations that are found, each once.
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

mod pushes;

mod sharing {
    use super::*;

    /// The second scrape began while the first one's request was under way, and has its answer.
    fn shared() -> Ledger {
        let mut ledger = two_scrapes();
        for app in &mut ledger.apps {
            app.calls.pop();
            app.calls[0].came = Some((BEGIN + 1_000 * MS, TEXT));
        }
        let end = BEGIN + 1_020 * MS;
        ledger.scrapers.push(Faults::default());
        for (scraper, start) in [(0, BEGIN), (1, BEGIN + 500 * MS)] {
            let scrape = &mut ledger.scrapes[scraper];
            (scrape.scraper, scrape.start, scrape.opened) = (scraper, start, start);
            scrape.end.as_mut().unwrap().0 = end;
            *sections(&mut ledger, scraper) = vec![(0, 0), (1, 0)];
        }
        ledger
    }

    #[test]
    fn scrapes_under_way_at_once_share_an_answer() {
        let mut ledger = shared();
        assert_eq!(kinds(&mut ledger), []);
        assert_eq!(ledger.counts.of("answers shared"), 2);
        // Both scrapes must have it.
        sections(&mut ledger, 1).pop();
        assert_eq!(kinds(&mut ledger), [Kind::Missing]);
    }

    #[test]
    fn scrapes_one_after_the_other_do_not() {
        let mut ledger = shared();
        end(&mut ledger, 0, 1_005 * MS);
        ledger.scrapes[1].start = BEGIN + 1_008 * MS;
        assert_eq!(kinds(&mut ledger), [Kind::Twice]);
    }

    #[test]
    fn nobody_is_asked_while_he_is_being_asked() {
        let mut ledger = two_scrapes();
        ledger.apps[0].calls[0].came = Some((BEGIN + 5_100 * MS, TEXT));
        assert!(kinds(&mut ledger).contains(&Kind::Doubled));
        // A cancelled request is not under way.
        ledger.apps[0].calls[0].came = None;
        ledger.apps[0].calls[0].dropped = Some(BEGIN + 3_510 * MS);
        sections(&mut ledger, 0).remove(0);
        assert_eq!(kinds(&mut ledger), []);
        assert_eq!(ledger.counts.of("asked again"), 1);
    }
}

mod states {
    use super::*;

    /// Two applications with names, and their states in two scrapes.
    fn named() -> Ledger {
        let mut ledger = two_scrapes();
        for app in 0..2 {
            let record = &mut ledger.apps[app];
            record.instance = Some(app);
            record.downs.add(MS, MS);
        }
        for serial in 0..2 {
            *rows(&mut ledger, serial) = vec![up(0, serial), up(1, serial)];
        }
        ledger
    }

    fn up(app: usize, serial: usize) -> Row {
        let name = format!("instance=\"app-{app}\"");
        let took = 20 * MS;
        Row { name, app: Some(app), serial: Some(serial), reason: None, took, samples: 2 }
    }

    fn down(app: usize, reason: &str) -> Row {
        Row { serial: None, reason: Some(reason.to_owned()), samples: 0, ..up(app, 0) }
    }

    fn rows(ledger: &mut Ledger, index: usize) -> &mut Vec<Row> {
        match &mut ledger.scrapes[index].end {
            Some((_, ScrapeEnd::Whole { rows, .. })) => rows,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_true_is_not_complained_of() {
        let mut ledger = named();
        assert_eq!(kinds(&mut ledger), []);
        for name in ["states due", "states up"] {
            assert_eq!(ledger.counts.of(name), 4, "{name}");
        }
        assert_eq!(ledger.counts.of("states compared"), 2);
    }

    #[test]
    fn everybody_has_a_state_in_the_same_place() {
        let mut ledger = named();
        rows(&mut ledger, 0).pop();
        assert_eq!(kinds(&mut ledger), [Kind::Missing]);
        let mut ledger = named();
        rows(&mut ledger, 1).reverse();
        sections(&mut ledger, 1).reverse();
        assert_eq!(kinds(&mut ledger), [Kind::Reordered]);
        // An application that was away for long is forgotten, and has another place afterwards.
        let mut ledger = named();
        ledger.apps[1].downs.add(BEGIN - 30_000 * MS, BEGIN - 1_000 * MS);
        rows(&mut ledger, 0).pop();
        assert_eq!(kinds(&mut ledger), []);
    }

    #[test]
    fn whoever_answers_is_up_and_nobody_else_is() {
        let mut ledger = named();
        rows(&mut ledger, 0)[1].reason = Some("timeout".to_owned());
        assert_eq!(kinds(&mut ledger), [Kind::Untrue]);
        let mut ledger = named();
        let row = &mut rows(&mut ledger, 0)[1];
        *row = Row { reason: None, ..down(1, "") };
        sections(&mut ledger, 0).pop();
        assert_eq!(kinds(&mut ledger), [Kind::Untrue, Kind::Missing]);
        let mut ledger = named();
        rows(&mut ledger, 0)[0].took = 41 * MS;
        assert_eq!(kinds(&mut ledger), [Kind::Untrue]);
    }

    #[test]
    fn the_reason_is_the_real_one() {
        let late = Some((BEGIN + 3_700 * MS, TEXT));
        let failed = Some((BEGIN + 20 * MS, Came::Nothing("exposition")));
        for (came, reason) in [(late, "timeout"), (failed, "exposition")] {
            let mut ledger = named();
            ledger.apps[1].calls[0].came = came;
            sections(&mut ledger, 0).pop();
            end(&mut ledger, 0, 3_510 * MS);
            rows(&mut ledger, 0)[1] = down(1, reason);
            let found = kinds(&mut ledger);
            assert!(!found.contains(&Kind::Untrue), "{found:?}");
            rows(&mut ledger, 0)[1] = down(1, "gone");
            assert!(kinds(&mut ledger).contains(&Kind::Untrue), "{reason}");
        }
    }

    #[test]
    fn a_push_stands_in_for_one_that_is_down() {
        let mut ledger = named();
        let at = BEGIN + 2_000 * MS;
        let done = Some(PushDone { at: at + 20 * MS, result: Ok(()), end_call: 2 });
        let mode = PushMode::Acknowledged;
        ledger.apps[1].calls[1] = call(at + 5 * MS);
        ledger.apps[1].pushes.push(PushRecord { at, mode, first_call: 1, done });
        ledger.apps[1].downs.begin(at);
        ledger.scrapes[1].ready[1] = false;
        assert_eq!(kinds(&mut ledger), [Kind::Untrue]);
        rows(&mut ledger, 1)[1].reason = Some("gone".to_owned());
        assert_eq!(kinds(&mut ledger), []);
    }

    #[test]
    fn no_text_comes_after_a_newer_one() {
        let mut ledger = named();
        *sections(&mut ledger, 0) = vec![(0, 1), (1, 0)];
        *sections(&mut ledger, 1) = vec![(0, 0), (1, 1)];
        assert!(kinds(&mut ledger).contains(&Kind::Backwards));
        ledger.apps[0].instance = None;
        assert!(!kinds(&mut ledger).contains(&Kind::Backwards));
    }

    #[test]
    fn the_list_has_everybody() {
        let list = |paths: &[&str]| {
            let paths = Ok(paths.iter().map(|path| (*path).to_owned()).collect());
            let (opened, start, end) = (BEGIN, BEGIN, BEGIN + 2 * MS);
            ListRecord { scraper: 0, opened, start, end, paths }
        };
        let mut ledger = named();
        ledger.lists.push(list(&["app-0", "connection-7", "app-1"]));
        assert_eq!(kinds(&mut ledger), []);
        assert_eq!(ledger.counts.of("targets due"), 2);
        ledger.lists.push(list(&["app-0"]));
        assert_eq!(kinds(&mut ledger), [Kind::Missing]);
        ledger.lists[1].paths = Err("status 500".to_owned());
        assert_eq!(kinds(&mut ledger), [Kind::Failed]);
        ledger.proxy.add(BEGIN, BEGIN);
        assert_eq!(kinds(&mut ledger), []);
    }

    #[test]
    fn a_target_that_is_down_says_so_by_its_status() {
        let target = |status, reason| {
            let mut ledger = named();
            let scrape = &mut ledger.scrapes[0];
            scrape.of = Of::One(1);
            scrape.end = Some((BEGIN + 3_510 * MS, ScrapeEnd::Down { status, reason }));
            ledger.apps[1].calls[0].came = None;
            ledger.apps[1].calls[0].dropped = Some(BEGIN + 3_600 * MS);
            ledger
        };
        assert_eq!(kinds(&mut target(504, Some("timeout"))), []);
        assert_eq!(kinds(&mut target(503, Some("timeout"))), [Kind::Untrue]);
        assert_eq!(kinds(&mut target(503, Some("gone"))), [Kind::Untrue]);
        assert_eq!(kinds(&mut target(404, None)), [Kind::Untrue]);
        let mut ledger = target(504, Some("timeout"));
        ledger.apps[1].calls[0] = call(BEGIN + 10 * MS);
        assert!(kinds(&mut ledger).contains(&Kind::Missing));
    }
}
