//! What the end of answers says about applications.

use super::{Found, Judge, Whole};
use crate::ledger::{At, Came, Of, Row, ScrapeRecord};
use crate::report::Kind;
use std::time::Duration;

/// Why an application has to be down in a scrape; `None` if it has to be up.
type Truth = Option<&'static str>;

impl Judge<'_> {
    /// Every application has a state, and it is true.
    pub(super) fn states(&self, whole: &Whole<'_>, is_disturbed: bool, found: &mut Found) {
        let Whole { index, scrape, end, sections, rows, .. } = *whole;
        if let Of::One(app) = scrape.of
            && sections.iter().any(|(other, _)| *other != app)
        {
            let what = format!("scrape {index} of app-{app} has {sections:?}");
            found.violation(end, Kind::Untrue, what);
        }
        if scrape.of != Of::All {
            return;
        }
        for row in rows {
            if let Some(what) = self.own_answer(row).or_else(|| too_long(row, end - scrape.start)) {
                found.violation(end, Kind::Untrue, format!("scrape {index}: {what}"));
            }
        }
        found.counts.add("states", rows.len() as u64);
        if is_disturbed {
            return;
        }
        for app in 0..self.ledger.apps.len() {
            let name = name(app);
            let is_there = || rows.iter().any(|row| row.name.starts_with(&name));
            if self.is_remembered(app, scrape.start, end) {
                found.counts.add("states due", 1);
                if !is_there() {
                    let what = format!("scrape {index}: app-{app} has no state");
                    found.violation(end, Kind::Missing, what);
                }
            }
            self.state(app, whole, found);
        }
    }

    /// Checks the state of an application of which the truth is known.
    fn state(&self, app: usize, whole: &Whole<'_>, found: &mut Found) {
        let Whole { index, scrape, end, rows, .. } = *whole;
        let Some(truth) = self.truth(app, scrape, end) else { return };
        let mut states = rows.iter().filter(|row| row.app == Some(app)).peekable();
        if states.peek().is_none() {
            return;
        }
        found.counts.add(
            match truth {
                None => "states up",
                Some("gone") => "states gone",
                Some("timeout") => "states late",
                Some(_) => "states failed",
            },
            1,
        );
        if !states.clone().any(|row| row.reason.as_deref() == truth) {
            let states: Vec<&Row> = states.collect();
            let what = format!("scrape {index}: app-{app} is {truth:?}, and not {states:?}");
            found.violation(end, Kind::Untrue, what);
        }
    }

    /// Returns the state that an application must have in a scrape, if it is known: it was left in peace, and has answered in time, failed, or not
    /// answered; or it had gone long before.
    pub(super) fn truth(&self, app: usize, scrape: &ScrapeRecord, end: At) -> Option<Truth> {
        let record = &self.ledger.apps[app];
        if record.is_twin {
            return None;
        }
        let since = scrape.start.saturating_sub(self.terms.settled_within());
        if record.downs.throughout(since, end) && !self.ledger.proxy.any(since, end) {
            let is_touched = record.faults.any(since, end);
            return (!is_touched).then_some(Some("gone"));
        }
        if !self.is_untouched(app, scrape, end) {
            return None;
        }
        let calls = self.calls_of(app, scrape, end);
        if calls.is_empty() {
            return None;
        }
        if self.is_in_time(app, scrape, &calls) {
            return Some(None);
        }
        let deadline = scrape.start + self.terms.scrape_budget();
        if calls.iter().all(|call| call.over() > deadline + CERTAIN) {
            return Some(Some("timeout"));
        }
        let latest = self.latest_answer(app, scrape);
        match calls[..] {
            [call] => match call.came {
                Some((at, Came::Nothing(reason))) if at <= latest => Some(Some(reason)),
                _ => None,
            },
            _ => None,
        }
    }

    /// An application that is up has its own answer in it, and an application whose answer is in it is up. A push is not an answer.
    fn own_answer(&self, row: &Row) -> Option<String> {
        let (Some(app), Some(serial)) = (row.app, row.serial) else {
            let is_up = row.reason.is_none();
            return is_up.then(|| format!("{{{}}} is up without an answer", row.name));
        };
        let record = self.ledger.apps.get(app)?;
        let may_be = record.pushes.iter().any(|push| push.may_be(record, serial));
        let is_push = record.pushes.iter().any(|push| push.is_of(serial));
        match &row.reason {
            Some(reason) if !may_be => {
                Some(format!("app-{app} is down ({reason}) with its own answer {serial}"))
            }
            None if is_push => Some(format!("app-{app} is up with its push {serial}")),
            _ => None,
        }
    }

    /// Applications keep their places from one scrape to the next, also while they are gone.
    pub(super) fn places(&self, found: &mut Found) {
        let wholes: Vec<Whole<'_>> = self.wholes_of_all().collect();
        for pair in wholes.windows(2) {
            let [first, second] = pair else { continue };
            let until = first.end.max(second.end);
            let stays = |app: &usize| self.is_remembered(*app, first.scrape.start, until);
            let places = |rows: &[Row]| -> Vec<usize> {
                let apps =
                    rows.iter().filter_map(|row| row.app.filter(|app| row.name == name(*app)));
                apps.filter(stays).collect()
            };
            let (mut before, mut after) = (places(first.rows), places(second.rows));
            before.retain(|app| after.contains(app));
            after.retain(|app| before.contains(app));
            found.counts.add("states compared", before.len() as u64);
            if before != after {
                let (index, then) = (first.index, second.index);
                let what = format!("states: scrape {index} has {before:?}, and {then} {after:?}");
                found.violation(second.end, Kind::Reordered, what);
            }
        }
    }

    /// Whether the proxy must have known an application during the whole time: it has a name, was connected, and was not away for so long that it is
    /// forgotten.
    pub(super) fn is_remembered(&self, app: usize, from: At, until: At) -> bool {
        let Some(record) = self.ledger.apps.get(app).filter(|record| record.has_name()) else {
            return false;
        };
        let settled = self.terms.settled_within();
        let faults =
            record.downs.iter().chain(record.faults.iter()).chain(self.ledger.proxy.iter());
        let mut away: Vec<(At, At)> =
            faults.map(|(from, until)| (from, until.saturating_add(settled))).collect();
        away.sort_unstable();
        let is_born = record.downs.iter().next().is_some_and(|(born, _)| born + settled < from);
        let mut run: Option<(At, At)> = None;
        let mut is_known = is_born;
        for (begin, end) in away {
            run = Some(match run {
                Some((first, last)) if begin <= last => (first, last.max(end)),
                _ => (begin, end),
            });
            let (first, last) = run.unwrap_or_default();
            let is_long = last.min(until).saturating_sub(first) >= self.terms.grace;
            is_known &= !(is_long && last >= from && first <= until);
        }
        is_known
    }
}

fn too_long(row: &Row, took: Duration) -> Option<String> {
    (row.took > took).then(|| format!("{{{}}} took {:?} of {took:?}", row.name, row.took))
}

fn name(app: usize) -> String {
    format!("instance=\"app-{app}\"")
}

/// More than the proxy's deadline can be later than the scraper's.
const CERTAIN: Duration = Duration::from_millis(50);
