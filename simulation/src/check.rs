//! The invariants, checked when everything is known.

mod pushes;
mod states;
#[cfg(test)]
mod tests;
mod texts;

use crate::ledger::{At, Call, Came, Ledger, Of, Row, ScrapeEnd, ScrapeRecord};
use crate::report::{Counts, Kind, Violation};
use crate::scenario::Terms;
use crate::world::SCRAPER_LATENCY;
use std::time::Duration;

/// Judges everything that was recorded.
pub(crate) fn check(ledger: &mut Ledger, terms: &Terms) {
    let mut found = Found::default();
    let judge = Judge { ledger, terms };
    for index in 0..ledger.scrapes.len() {
        judge.scrape(index, &mut found);
    }
    for list in &ledger.lists {
        judge.list(list, &mut found);
    }
    judge.texts(&mut found);
    judge.order(&mut found);
    judge.places(&mut found);
    judge.ages(&mut found);
    judge.requests(&mut found);
    for app in 0..ledger.apps.len() {
        for push in &ledger.apps[app].pushes {
            judge.push(app, push, &mut found);
        }
    }
    let Found { counts, mut violations } = found;
    violations.sort_by_key(|violation| violation.at);
    ledger.counts.add_all(&counts);
    violations.into_iter().for_each(|v| ledger.violation(v.at, v.kind, v.what));
}

#[derive(Default)]
struct Found {
    counts: Counts,
    violations: Vec<Violation>,
}

impl Found {
    fn violation(&mut self, at: At, kind: Kind, what: String) {
        self.violations.push(Violation { at, kind, what });
    }
}

struct Judge<'a> {
    ledger: &'a Ledger,
    terms: &'a Terms,
}

/// A scrape that ended as it should.
struct Whole<'a> {
    index: usize,
    scrape: &'a ScrapeRecord,
    end: At,
    len: usize,
    sections: &'a [(usize, usize)],
    rows: &'a [Row],
}

impl Judge<'_> {
    fn scrape(&self, index: usize, found: &mut Found) {
        let scrape = &self.ledger.scrapes[index];
        self.readiness(index, scrape, found);
        let Some((end, came)) = &scrape.end else {
            found.counts.add("scrapes broken", 1);
            return;
        };
        let is_disturbed = self.is_disturbed(scrape, *end);
        match came {
            ScrapeEnd::Abandoned { .. } => found.counts.add("scrapes abandoned", 1),
            ScrapeEnd::Headers => found.counts.add("scrapes of headers", 1),
            ScrapeEnd::Failed(error) => self.broken(index, *end, error, is_disturbed, found),
            ScrapeEnd::Unended => self.broken(index, *end, "it does not end", is_disturbed, found),
            ScrapeEnd::Down { status, reason } => {
                found.counts.add("targets down", 1);
                if !is_disturbed {
                    self.down(index, *end, (*status, *reason), found);
                }
            }
            ScrapeEnd::Whole { len, sections, rows } => {
                let whole = Whole { index, scrape, end: *end, len: *len, sections, rows };
                self.count_whole(&whole, is_disturbed, found);
                self.states(&whole, is_disturbed, found);
                if !is_disturbed {
                    self.completeness(index, *end, sections, found);
                    if scrape.prompt {
                        self.promptness(&whole, found);
                    }
                }
            }
        }
    }

    fn broken(&self, index: usize, end: At, error: &str, is_disturbed: bool, found: &mut Found) {
        let scrape = &self.ledger.scrapes[index];
        found.counts.add("scrapes broken", 1);
        if !is_disturbed && scrape.prompt {
            let is_late = end > self.latest_end(scrape, 0);
            let kind = if is_late { Kind::Late } else { Kind::Failed };
            found.violation(end, kind, format!("scrape {index}: {error}"));
        }
    }

    fn count_whole(&self, whole: &Whole<'_>, is_disturbed: bool, found: &mut Found) {
        found.counts.add("scrapes whole", 1);
        found.counts.add("sections", whole.sections.len() as u64);
        if is_disturbed {
            found.counts.add("scrapes disturbed", 1);
        }
        if !whole.scrape.prompt {
            found.counts.add("slow scrapes whole", 1);
        } else if whole.end >= whole.scrape.start + self.terms.scrape_budget() {
            found.counts.add("deadlines reached", 1);
        }
    }

    /// An application that was left in peace for long enough is connected.
    fn readiness(&self, index: usize, scrape: &ScrapeRecord, found: &mut Found) {
        let from = scrape.start.saturating_sub(self.terms.settled_within());
        if self.ledger.proxy.any(from, scrape.start) {
            return;
        }
        for (app, record) in self.ledger.apps.iter().enumerate() {
            if !record.is_touched(from, scrape.start) && !scrape.ready[app] {
                let what = format!("scrape {index}: app-{app} is not connected");
                found.violation(scrape.start, Kind::NotHealed, what);
            }
        }
    }

    /// Applications that have answered in time are in the answer, and every application is asked.
    fn completeness(&self, index: usize, end: At, sections: &[(usize, usize)], found: &mut Found) {
        let scrape = &self.ledger.scrapes[index];
        for app in self.asked(scrape) {
            if !self.is_untouched(app, scrape, end) {
                continue;
            }
            let calls = self.calls_of(app, scrape, end);
            if calls.is_empty() {
                let what = format!("scrape {index}: app-{app} was not asked");
                found.violation(end, Kind::Missing, what);
            } else if self.is_in_time(app, scrape, &calls) {
                found.counts.add("sections due", 1);
                if calls.iter().any(|call| call.at < scrape.start) {
                    found.counts.add("answers shared", 1);
                }
                if !sections.iter().any(|(other, _)| *other == app) {
                    let what = format!("scrape {index}: app-{app} has answered, and is not in it");
                    found.violation(end, Kind::Missing, what);
                }
            }
        }
    }

    /// Returns the applications that a scrape asks, as far as that is known.
    fn asked(&self, scrape: &ScrapeRecord) -> std::ops::Range<usize> {
        match scrape.of {
            Of::All => 0..self.ledger.apps.len(),
            Of::One(app) => app..app + 1,
            Of::Somebody => 0..0,
        }
    }

    /// Returns the calls whose answers a scrape may have: it shares requests of other scrapes whose deadlines are not over. Requests that were
    /// replaced by others do not count.
    fn calls_of(&self, app: usize, scrape: &ScrapeRecord, end: At) -> Vec<&Call> {
        let record = &self.ledger.apps[app];
        let budget = self.terms.scrape_budget();
        let arrival = record.transfer + self.working();
        let from = scrape.start.saturating_sub(budget);
        let calls = record.calls_within(from, end.min(scrape.start + budget));
        let is_open = |call: &&Call| call.at >= scrape.start || is_by(call, arrival, scrape.start);
        let open: Vec<&Call> = calls.iter().filter(is_open).collect();
        let is_last = |at: usize| at + 1 == open.len();
        let kept = |(at, call): (usize, &&'_ Call)| call.dropped.is_none() || is_last(at);
        (0..open.len()).filter(|at| kept((*at, &open[*at]))).map(|at| open[at]).collect()
    }

    /// Whether all of an application's answers came early enough to be in a scrape.
    fn is_in_time(&self, app: usize, scrape: &ScrapeRecord, calls: &[&Call]) -> bool {
        let latest = self.latest_answer(app, scrape);
        calls.iter().all(|call| matches!(call.came, Some((at, Came::Text(_))) if at <= latest))
    }

    /// Returns the time by which an application has to answer to be certainly in a scrape.
    fn latest_answer(&self, app: usize, scrape: &ScrapeRecord) -> At {
        let deadline = scrape.start + self.terms.scrape_budget();
        deadline.saturating_sub(self.ledger.apps[app].transfer + self.working())
    }

    /// A scrape ends by its deadline, and earlier if there is nobody left to wait for.
    fn promptness(&self, whole: &Whole<'_>, found: &mut Found) {
        let Whole { index, scrape, end, len, .. } = *whole;
        let took = end - scrape.start;
        if end > self.latest_end(scrape, len) {
            found.violation(end, Kind::Late, format!("scrape {index} took {took:?}"));
        }
        if scrape.of == Of::Somebody {
            return;
        }
        let Some(answered) = self.answered(whole) else { return };
        found.counts.add("scrapes with nobody to wait for", 1);
        if end > answered + self.working() + self.sending(len) {
            found.violation(end, Kind::Lingering, format!("scrape {index} took {took:?}"));
        }
    }

    /// Returns when the last answer came, if all applications were left in peace and have answered.
    fn answered(&self, whole: &Whole<'_>) -> Option<At> {
        let Whole { scrape, end, .. } = *whole;
        let from = scrape.start.saturating_sub(self.terms.settled_within());
        if self.ledger.mutes.any(from, end) {
            return None;
        }
        let mut latest = scrape.start;
        for app in self.asked(scrape) {
            let record = &self.ledger.apps[app];
            if record.downs.throughout(from, end) && !record.faults.any(from, end) {
                continue;
            }
            if !self.is_untouched(app, scrape, end) {
                return None;
            }
            for call in self.calls_of(app, scrape, end) {
                latest = latest.max(call.came?.0 + record.transfer);
            }
        }
        Some(latest)
    }

    fn wholes(&self) -> impl Iterator<Item = Whole<'_>> {
        self.ledger.scrapes.iter().enumerate().filter_map(|(index, scrape)| match &scrape.end {
            Some((end, ScrapeEnd::Whole { len, sections, rows })) => {
                Some(Whole { index, scrape, end: *end, len: *len, sections, rows })
            }
            Some((
                _,
                ScrapeEnd::Abandoned { .. }
                | ScrapeEnd::Down { .. }
                | ScrapeEnd::Failed(_)
                | ScrapeEnd::Headers
                | ScrapeEnd::Unended,
            ))
            | None => None,
        })
    }

    /// Returns the whole scrapes of all applications.
    fn wholes_of_all(&self) -> impl Iterator<Item = Whole<'_>> {
        self.wholes().filter(|whole| whole.scrape.of == Of::All)
    }

    /// Whether something was done to the scraper or the proxy.
    fn is_disturbed(&self, scrape: &ScrapeRecord, end: At) -> bool {
        let from = scrape.opened.min(scrape.start);
        self.ledger.scrapers[scrape.scraper].any(from, end) || self.ledger.proxy.any(from, end)
    }

    /// Whether an application was connected, and left in peace before and during a scrape.
    fn is_untouched(&self, app: usize, scrape: &ScrapeRecord, end: At) -> bool {
        let from = scrape.start.saturating_sub(self.terms.settled_within());
        let record = &self.ledger.apps[app];
        scrape.ready[app] && !record.is_touched(from, end) && !self.ledger.proxy.any(from, end)
    }

    /// Returns by when the proxy knows that the whole answer was read, if it was, and if its connection was used again or ended in order.
    fn delivered(&self, scrape: &ScrapeRecord) -> Option<At> {
        let Some((_, ScrapeEnd::Whole { .. })) = scrape.end else { return None };
        let known = scrape.went_on? + SCRAPER_LATENCY * 2;
        (!self.is_disturbed(scrape, known)).then_some(known)
    }

    /// Whether the proxy knew, before it began a scrape, that the answer of another one of the same scraper had been read. If both use one
    /// connection, the request says so.
    fn was_delivered_before(&self, other: &ScrapeRecord, scrape: &ScrapeRecord) -> bool {
        let (mine, its) = (scrape.scraper, other.scraper);
        let is_next = other.opened == scrape.opened && other.went_on == Some(scrape.start);
        mine == its
            && (is_next && matches!(other.end, Some((_, ScrapeEnd::Whole { .. })))
                || self.delivered(other).is_some_and(|known| known <= scrape.start))
    }

    /// Whether a scrape's deadline had passed by then, however long its answer was read afterwards.
    fn was_decided_before(&self, scrape: &ScrapeRecord, at: At) -> bool {
        let decided = scrape.start + scrape.timeout;
        decided < at && !self.is_disturbed(scrape, decided)
    }

    /// Returns by when a scrape of `len` bytes has to end: within its scraper's limit, or later if what is left to send at the deadline takes longer
    /// than the time that the proxy keeps for it.
    fn latest_end(&self, scrape: &ScrapeRecord, len: usize) -> At {
        let deadline = scrape.start + self.terms.scrape_budget();
        (scrape.start + scrape.timeout).max(deadline + self.sending(len))
    }

    /// Returns how long an answer may take to reach a scraper, with the smallest window and bandwidth that scrapers have, and up to two jobs for each
    /// of its texts.
    fn sending(&self, len: usize) -> Duration {
        let windows = (len / (24 * 1024)) as u32 + 4;
        let sent = SCRAPER_LATENCY * windows * 2;
        let bandwidth = Duration::from_secs_f64(len as f64 / 8_000_000.0);
        let jobs = 2 * (self.ledger.apps.len() + NEIGHBOURS) + len / (64 * 1024) + 8;
        sent + bandwidth + self.terms.job_time * jobs as u32
    }

    /// Returns how long a job may wait behind jobs of other applications.
    fn working(&self) -> Duration {
        self.terms.job_time * (2 * (self.ledger.apps.len() + NEIGHBOURS) as u32 + 8)
    }
}

/// Whether the result of a call may still have been on its way at a time.
fn is_by(call: &Call, arrival: Duration, at: At) -> bool {
    call.over().saturating_add(arrival) >= at
}

/// How many other peers may have work for the proxy at the same time.
const NEIGHBOURS: usize = 6;
