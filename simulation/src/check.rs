//! What must always hold, looked at when all is known.

use crate::ledger::{AppRecord, At, Call, Came, Ledger, PushRecord, ScrapeEnd, ScrapeRecord};
use crate::report::{Counts, Kind, Violation};
use crate::scenario::Terms;
use prometheus_rsocket_client::PushMode;
use std::collections::BTreeMap;
use std::time::Duration;

/// Judges all that is written down.
pub(crate) fn check(ledger: &mut Ledger, terms: &Terms) {
    let mut found = Found::default();
    let judge = Judge { ledger, terms };
    for index in 0..ledger.scrapes.len() {
        judge.scrape(index, &mut found);
    }
    judge.texts(&mut found);
    for app in 0..ledger.apps.len() {
        for push in &ledger.apps[app].pushes {
            judge.push(app, push, &mut found);
        }
    }
    let Found { counts, violations } = found;
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

impl Judge<'_> {
    fn scrape(&self, index: usize, found: &mut Found) {
        let scrape = &self.ledger.scrapes[index];
        self.readiness(index, scrape, found);
        let Some((end, came)) = &scrape.end else {
            found.counts.add("scrapes broken", 1);
            return;
        };
        let disturbed = self.is_disturbed(scrape, *end);
        let (len, sections) = match came {
            ScrapeEnd::Abandoned { .. } => {
                found.counts.add("scrapes abandoned", 1);
                return;
            }
            ScrapeEnd::Failed(error) => {
                found.counts.add("scrapes broken", 1);
                if !disturbed && scrape.prompt {
                    let kind =
                        if *end >= self.latest_end(scrape, 0) { Kind::Late } else { Kind::Failed };
                    found.violation(*end, kind, format!("scrape {index}: {error}"));
                }
                return;
            }
            ScrapeEnd::Whole { len, sections } => (*len, sections),
        };
        found.counts.add("scrapes whole", 1);
        found.counts.add("sections", sections.len() as u64);
        if *end >= scrape.start + self.terms.scrape_budget() && scrape.prompt {
            found.counts.add("deadlines reached", 1);
        }
        if !scrape.prompt {
            found.counts.add("slow scrapes whole", 1);
        }
        if disturbed {
            found.counts.add("scrapes disturbed", 1);
            return;
        }
        if scrape.prompt && *end > self.latest_end(scrape, len) {
            let took = *end - scrape.start;
            found.violation(*end, Kind::Late, format!("scrape {index} took {took:?}"));
        }
        self.completeness(index, scrape, *end, sections, found);
        self.promptness(index, scrape, *end, len, found);
    }

    /// Whether something was done to the scraper or the proxy.
    fn is_disturbed(&self, scrape: &ScrapeRecord, end: At) -> bool {
        let from = scrape.opened.min(scrape.start);
        self.ledger.scrapers[scrape.scraper].any(from, end) || self.ledger.proxy.any(from, end)
    }

    /// By when a scrape of so many bytes has to end: what its scraper has given, or more where what is left to send at the
    /// deadline takes longer than what the proxy keeps for it.
    fn latest_end(&self, scrape: &ScrapeRecord, len: usize) -> At {
        let deadline = scrape.start + self.terms.scrape_budget();
        (scrape.start + scrape.timeout).max(deadline + self.sending(len))
    }

    /// How long an answer may take to reach a scraper, each text of it expanded by a job: on the smallest window and bandwidth that scrapers
    /// have.
    fn sending(&self, len: usize) -> Duration {
        let windows = (len / (24 * 1024)) as u32 + 4;
        let sent = Duration::from_millis(1) * windows * 2;
        let bandwidth = Duration::from_secs_f64(len as f64 / 8_000_000.0);
        sent + bandwidth + self.terms.job_time * self.ledger.apps.len() as u32
    }

    /// How long a job may wait behind those of other applications, in as many rounds as there are at once.
    fn working(&self) -> Duration {
        self.terms.job_time * (2 * self.ledger.apps.len() as u32 + 8)
    }

    /// Whom nothing was done to for long enough is connected.
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

    /// Whether an application was left in peace before and within a scrape, and was connected.
    fn is_untouched(&self, app: usize, scrape: &ScrapeRecord, end: At) -> bool {
        let from = scrape.start.saturating_sub(self.terms.settled_within());
        let record = &self.ledger.apps[app];
        scrape.ready[app] && !record.is_touched(from, end) && !self.ledger.proxy.any(from, end)
    }

    /// Who has answered in time is in it; and only who was asked for it, or has pushed.
    fn completeness(
        &self,
        index: usize,
        scrape: &ScrapeRecord,
        end: At,
        sections: &[(usize, usize)],
        found: &mut Found,
    ) {
        let deadline = scrape.start + self.terms.scrape_budget();
        for (app, record) in self.ledger.apps.iter().enumerate() {
            if !self.is_untouched(app, scrape, end) {
                continue;
            }
            let calls = record.calls_within(scrape.start, end.min(deadline));
            if calls.is_empty() {
                let what = format!("scrape {index}: app-{app} was not asked");
                found.violation(end, Kind::Missing, what);
                continue;
            }
            let latest = deadline.saturating_sub(record.transfer + self.working());
            let in_time =
                |call: &Call| matches!(call.came, Some((at, Came::Text(_))) if at <= latest);
            if !calls.iter().all(in_time) {
                continue;
            }
            found.counts.add("sections due", 1);
            if !sections.iter().any(|(other, _)| *other == app) {
                let what = format!("scrape {index}: app-{app} has answered, and is not in it");
                found.violation(end, Kind::Missing, what);
            }
        }
    }

    /// When all have answered, a scrape ends.
    fn promptness(
        &self,
        index: usize,
        scrape: &ScrapeRecord,
        end: At,
        len: usize,
        found: &mut Found,
    ) {
        let from = scrape.start.saturating_sub(self.terms.settled_within());
        if !scrape.prompt || self.ledger.mutes.any(from, end) {
            return;
        }
        let mut latest = scrape.start;
        for (app, record) in self.ledger.apps.iter().enumerate() {
            let gone = record.down_since.is_some_and(|since| since < from)
                && !record.faults.any(from, end);
            if gone {
                continue;
            }
            if !self.is_untouched(app, scrape, end) {
                return;
            }
            for call in record.calls_within(scrape.start, end) {
                let Some((at, _)) = call.came else { return };
                latest = latest.max(at + record.transfer);
            }
        }
        found.counts.add("scrapes without anybody to wait for", 1);
        let bound = latest + self.working() + self.sending(len);
        if end > bound {
            let what = format!("scrape {index} took {:?}", end - scrape.start);
            found.violation(end, Kind::Lingering, what);
        }
    }

    /// No text is in two places, or where it was not asked for.
    fn texts(&self, found: &mut Found) {
        let mut seen: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (index, scrape) in self.ledger.scrapes.iter().enumerate() {
            let Some((end, ScrapeEnd::Whole { sections, .. })) = &scrape.end else { continue };
            for (app, serial) in sections {
                let before = seen.entry((*app, *serial)).or_default();
                let record = &self.ledger.apps[*app];
                let is_pushed = record.pushes.iter().any(|push| push.may_be(record, *serial));
                let again = before.iter().any(|other| {
                    let ended = self.ledger.scrapes[*other].end.as_ref().map(|(end, _)| *end);
                    // A push that is held is in each scrape that begins before one that has it is through.
                    *other == index || !is_pushed || ended.is_some_and(|ended| ended < scrape.start)
                });
                if again {
                    let what =
                        format!("text {serial} of app-{app} is in scrapes {before:?} and {index}");
                    found.violation(*end, Kind::Twice, what);
                }
                let asked = record.calls[*serial].at;
                if !is_pushed && (asked < scrape.start || asked > *end) {
                    let what = format!("text {serial} of app-{app} is in scrape {index}");
                    found.violation(*end, Kind::Stale, what);
                }
                before.push(index);
            }
        }
    }

    /// A push that was acknowledged is in the next scrape, unless it was in one before.
    fn push(&self, app: usize, push: &PushRecord, found: &mut Found) {
        let record = &self.ledger.apps[app];
        let Some(done) = push.done.as_ref().filter(|done| done.result.is_ok()) else {
            found.counts.add("pushes not acknowledged", 1);
            return;
        };
        let is_acknowledged = push.mode == PushMode::Acknowledged;
        // One without an acknowledgement arrives where nothing is in its way.
        let stored = done.at
            + if is_acknowledged { Duration::ZERO } else { record.transfer + self.working() };
        let from = push.at.saturating_sub(self.terms.settled_within());
        if !is_acknowledged
            && (record.faults.any(from, stored) || self.ledger.proxy.any(from, stored))
        {
            return;
        }
        let serials: Vec<usize> = (push.first_call..done.end_call)
            .filter(|serial| record.shape(*serial).is_some())
            .collect();
        if serials.is_empty() {
            let what = format!(
                "app-{app} pushed nothing that can be served, and was told that it is stored"
            );
            // What cannot be read is dropped where nobody waits to hear of it.
            if is_acknowledged {
                found.violation(done.at, Kind::PushLost, what);
            }
            return;
        }
        found
            .counts
            .add(if is_acknowledged { "pushes acknowledged" } else { "pushes in peace" }, 1);
        let holds = |sections: &[(usize, usize)]| {
            sections.iter().any(|(other, serial)| *other == app && serials.contains(serial))
        };
        let expires = push.at + self.terms.push_ttl - self.working();
        for (index, scrape) in self.ledger.scrapes.iter().enumerate() {
            let Some((end, came)) = &scrape.end else {
                // Nobody knows how far it came.
                return;
            };
            if *end < push.at {
                continue;
            }
            let is_bound = scrape.start > stored && !self.is_disturbed(scrape, *end);
            match came {
                ScrapeEnd::Whole { sections, .. } if holds(sections) => {
                    found.counts.add("pushes seen", 1);
                    return;
                }
                ScrapeEnd::Whole { .. } if is_bound && scrape.start < expires => {
                    if self.was_in_another(&holds, scrape) {
                        return;
                    }
                    let what = format!(
                        "scrape {index} is without the push {serials:?} of app-{app}, of {:?}",
                        done.at
                    );
                    found.violation(*end, Kind::PushLost, what);
                    return;
                }
                ScrapeEnd::Whole { .. } if scrape.start >= expires => return,
                ScrapeEnd::Whole { .. } => {}
                ScrapeEnd::Abandoned { early: true } if self.is_anybody_asked(scrape, *end) => {
                    found.counts.add("pushes kept for the next scrape", 1);
                }
                // The proxy may have sent all of it.
                ScrapeEnd::Abandoned { .. } | ScrapeEnd::Failed(_) => return,
            }
        }
    }

    /// Whether a scrape under way at the same time was the one.
    fn was_in_another(
        &self,
        holds: &dyn Fn(&[(usize, usize)]) -> bool,
        scrape: &ScrapeRecord,
    ) -> bool {
        let Some((end, _)) = scrape.end else { return false };
        self.ledger.scrapes.iter().any(|other| match &other.end {
            Some((_, ScrapeEnd::Whole { sections, .. })) => other.start <= end && holds(sections),
            Some((other_end, _)) => other.start <= end && *other_end >= scrape.start,
            None => other.start <= end,
        })
    }

    /// Whether a scrape had to wait for an application's answer.
    fn is_anybody_asked(&self, scrape: &ScrapeRecord, end: At) -> bool {
        (0..self.ledger.apps.len()).any(|app| self.is_untouched(app, scrape, end))
    }
}

impl PushRecord {
    /// Whether this text may be what was pushed.
    fn may_be(&self, record: &AppRecord, serial: usize) -> bool {
        let end = self.done.as_ref().map_or(record.calls.len(), |done| done.end_call);
        (self.first_call..end).contains(&serial)
    }
}
