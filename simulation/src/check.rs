//! What must always hold, looked at when all is known.

#[cfg(test)]
mod tests;

use crate::ledger::{AppRecord, At, Call, Came, Ledger, PushRecord, ScrapeEnd, ScrapeRecord};
use crate::report::{Counts, Kind, Violation};
use crate::scenario::Terms;
use crate::world::SCRAPER_LATENCY;
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
    judge.order(&mut found);
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

/// A scrape that came to its end as it should.
struct Whole<'a> {
    index: usize,
    scrape: &'a ScrapeRecord,
    end: At,
    len: usize,
    sections: &'a [(usize, usize)],
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
            ScrapeEnd::Failed(error) => {
                found.counts.add("scrapes broken", 1);
                if !is_disturbed && scrape.prompt {
                    let is_late = *end > self.latest_end(scrape, 0);
                    let kind = if is_late { Kind::Late } else { Kind::Failed };
                    found.violation(*end, kind, format!("scrape {index}: {error}"));
                }
            }
            ScrapeEnd::Whole { len, sections } => {
                let whole = Whole { index, scrape, end: *end, len: *len, sections };
                self.count_whole(&whole, is_disturbed, found);
                if !is_disturbed {
                    self.completeness(&whole, found);
                    if scrape.prompt {
                        self.promptness(&whole, found);
                    }
                }
            }
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

    /// Who has answered in time is in it, and everybody is asked.
    fn completeness(&self, whole: &Whole<'_>, found: &mut Found) {
        let Whole { index, scrape, end, sections, .. } = *whole;
        let deadline = scrape.start + self.terms.scrape_budget();
        for (app, record) in self.ledger.apps.iter().enumerate() {
            if !self.is_untouched(app, scrape, end) {
                continue;
            }
            let calls = record.calls_within(scrape.start, end.min(deadline));
            let latest = deadline.saturating_sub(record.transfer + self.working());
            let in_time =
                |call: &Call| matches!(call.came, Some((at, Came::Text(_))) if at <= latest);
            if calls.is_empty() {
                let what = format!("scrape {index}: app-{app} was not asked");
                found.violation(end, Kind::Missing, what);
            } else if calls.iter().all(in_time) {
                found.counts.add("sections due", 1);
                if !sections.iter().any(|(other, _)| *other == app) {
                    let what = format!("scrape {index}: app-{app} has answered, and is not in it");
                    found.violation(end, Kind::Missing, what);
                }
            }
        }
    }

    /// A scrape ends by its deadline, and before that when there is nobody left to wait for.
    fn promptness(&self, whole: &Whole<'_>, found: &mut Found) {
        let Whole { index, scrape, end, len, .. } = *whole;
        let took = end - scrape.start;
        if end > self.latest_end(scrape, len) {
            found.violation(end, Kind::Late, format!("scrape {index} took {took:?}"));
        }
        let Some(answered) = self.answered(whole) else { return };
        found.counts.add("scrapes with nobody to wait for", 1);
        if end > answered + self.working() + self.sending(len) {
            found.violation(end, Kind::Lingering, format!("scrape {index} took {took:?}"));
        }
    }

    /// When the last answer has come, if all applications were left in peace, and have answered.
    fn answered(&self, whole: &Whole<'_>) -> Option<At> {
        let Whole { scrape, end, .. } = *whole;
        let from = scrape.start.saturating_sub(self.terms.settled_within());
        if self.ledger.mutes.any(from, end) {
            return None;
        }
        let mut latest = scrape.start;
        for (app, record) in self.ledger.apps.iter().enumerate() {
            if record.downs.throughout(from, end) && !record.faults.any(from, end) {
                continue;
            }
            if !self.is_untouched(app, scrape, end) {
                return None;
            }
            for call in record.calls_within(scrape.start, end) {
                latest = latest.max(call.came?.0 + record.transfer);
            }
        }
        Some(latest)
    }

    /// No text is in two places, or where it was not asked for.
    fn texts(&self, found: &mut Found) {
        let mut seen: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for Whole { index, scrape, end, sections, .. } in self.wholes() {
            for (app, serial) in sections {
                let before = seen.entry((*app, *serial)).or_default();
                let record = &self.ledger.apps[*app];
                let is_pushed = record.pushes.iter().any(|push| push.may_be(record, *serial));
                let is_again = before.iter().any(|other| {
                    let ended = self.ledger.scrapes[*other].end.as_ref().map(|(end, _)| *end);
                    // A held push is in each scrape that begins before one that has it is through.
                    *other == index || !is_pushed || ended.is_some_and(|ended| ended < scrape.start)
                });
                if is_again {
                    let what =
                        format!("text {serial} of app-{app} is in scrapes {before:?} and {index}");
                    found.violation(end, Kind::Twice, what);
                }
                let asked = record.calls[*serial].at;
                if !is_pushed && (asked < scrape.start || asked > end) {
                    let what = format!("text {serial} of app-{app} is in scrape {index}");
                    found.violation(end, Kind::Stale, what);
                }
                before.push(index);
            }
        }
    }

    /// From one scrape to the next, applications that stay connected keep their order.
    fn order(&self, found: &mut Found) {
        let wholes: Vec<Whole<'_>> = self.wholes().collect();
        for pair in wholes.windows(2) {
            let [first, second] = pair else { continue };
            let stays = |app: usize| {
                self.is_untouched(app, first.scrape, first.end.max(second.end))
                    && second.scrape.ready[app]
            };
            let places = |whole: &Whole<'_>, other: &Whole<'_>| -> Vec<usize> {
                let apps = whole.sections.iter().map(|(app, _)| *app);
                let is_in_other =
                    |app: &usize| other.sections.iter().any(|(also, _)| also == app) && stays(*app);
                apps.filter(is_in_other).collect()
            };
            let (before, after) = (places(first, second), places(second, first));
            found.counts.add("places compared", before.len() as u64);
            if before != after {
                let (index, then) = (first.index, second.index);
                let what = format!("scrape {index} has {before:?}, and scrape {then} {after:?}");
                found.violation(second.end, Kind::Reordered, what);
            }
        }
    }

    /// A push that is stored is in the next scrape, unless it was in one before.
    fn push(&self, app: usize, push: &PushRecord, found: &mut Found) {
        let record = &self.ledger.apps[app];
        let Some(done) = push.done.as_ref().filter(|done| done.result.is_ok()) else {
            found.counts.add("pushes not acknowledged", 1);
            return;
        };
        let stored = match push.mode {
            PushMode::Acknowledged => done.at,
            // One that nobody answers arrives where nothing is in its way.
            PushMode::FireAndForget => {
                let stored = done.at + record.transfer + self.working();
                let from = push.at.saturating_sub(self.terms.settled_within());
                if record.faults.any(from, stored) || self.ledger.proxy.any(from, stored) {
                    return;
                }
                stored
            }
        };
        let is_served = |serial: &usize| record.shape(*serial).is_some();
        let serials: Vec<usize> = (push.first_call..done.end_call).filter(is_served).collect();
        match (push.mode, serials.is_empty()) {
            (PushMode::Acknowledged, true) => {
                let what =
                    format!("app-{app} pushed what is no metrics, and hears that it is stored");
                found.violation(done.at, Kind::PushLost, what);
            }
            // What cannot be read is dropped where nobody waits to hear of it.
            (PushMode::FireAndForget, true) => {}
            (mode, false) => {
                let is_acknowledged = mode == PushMode::Acknowledged;
                let name = if is_acknowledged { "pushes acknowledged" } else { "pushes in peace" };
                found.counts.add(name, 1);
                self.stored_push(app, push, stored, &serials, found);
            }
        }
    }

    fn stored_push(
        &self,
        app: usize,
        push: &PushRecord,
        stored: At,
        serials: &[usize],
        found: &mut Found,
    ) {
        let holds = |sections: &[(usize, usize)]| {
            sections.iter().any(|(other, serial)| *other == app && serials.contains(serial))
        };
        let expires = push.at + self.terms.push_ttl - self.working();
        // Whether the proxy may have sent it to somebody who did not read it.
        let mut may_be_sent = false;
        for (index, scrape) in self.ledger.scrapes.iter().enumerate() {
            let end = scrape.end.as_ref().map_or(At::MAX, |(end, _)| *end);
            if end < push.at || self.was_decided_before(scrape, push.at) {
                continue;
            }
            let is_bound = scrape.start >= stored && !self.is_disturbed(scrape, end);
            match scrape.end.as_ref().map(|(_, came)| came) {
                Some(ScrapeEnd::Whole { sections, .. }) if holds(sections) => {
                    found.counts.add("pushes seen", 1);
                    return;
                }
                Some(ScrapeEnd::Whole { .. }) if scrape.start >= expires => return,
                Some(ScrapeEnd::Whole { .. }) if is_bound => {
                    if may_be_sent {
                        found.counts.add("pushes in broken scrapes", 1);
                    } else if !self.may_be_in_another(holds, scrape) {
                        let what =
                            format!("scrape {index} is without push {serials:?} of app-{app}");
                        found.violation(end, Kind::PushLost, what);
                    }
                    return;
                }
                Some(ScrapeEnd::Whole { .. }) => {}
                Some(ScrapeEnd::Abandoned { early })
                    if self.was_unfinished(scrape, end, *early) =>
                {
                    found.counts.add("pushes kept for the next scrape", 1);
                }
                Some(ScrapeEnd::Abandoned { .. } | ScrapeEnd::Failed(_)) | None => {
                    may_be_sent = true;
                }
            }
        }
    }

    fn wholes(&self) -> impl Iterator<Item = Whole<'_>> {
        self.ledger.scrapes.iter().enumerate().filter_map(|(index, scrape)| match &scrape.end {
            Some((end, ScrapeEnd::Whole { len, sections })) => {
                Some(Whole { index, scrape, end: *end, len: *len, sections })
            }
            Some((_, ScrapeEnd::Abandoned { .. } | ScrapeEnd::Failed(_))) | None => None,
        })
    }

    /// Whether something was done to the scraper or the proxy.
    fn is_disturbed(&self, scrape: &ScrapeRecord, end: At) -> bool {
        let from = scrape.opened.min(scrape.start);
        self.ledger.scrapers[scrape.scraper].any(from, end) || self.ledger.proxy.any(from, end)
    }

    /// Whether an application was left in peace before and within a scrape, and was connected.
    fn is_untouched(&self, app: usize, scrape: &ScrapeRecord, end: At) -> bool {
        let from = scrape.start.saturating_sub(self.terms.settled_within());
        let record = &self.ledger.apps[app];
        scrape.ready[app] && !record.is_touched(from, end) && !self.ledger.proxy.any(from, end)
    }

    /// Whether a scrape's deadline had passed by then, however long it was read afterwards.
    fn was_decided_before(&self, scrape: &ScrapeRecord, at: At) -> bool {
        let decided = scrape.start + scrape.timeout;
        decided < at && !self.is_disturbed(scrape, decided)
    }

    /// Whether a push may be in a scrape that had begun when one began that is without it.
    fn may_be_in_another(
        &self,
        holds: impl Fn(&[(usize, usize)]) -> bool,
        scrape: &ScrapeRecord,
    ) -> bool {
        // Requests may overtake each other.
        let latest = scrape.start + SCRAPER_LATENCY * 3;
        let mut others = self.ledger.scrapes.iter().filter(|other| other.start <= latest);
        others.any(|other| match &other.end {
            Some((_, ScrapeEnd::Whole { sections, .. })) => holds(sections),
            Some((end, ScrapeEnd::Abandoned { early })) => {
                *end >= scrape.start && !self.was_unfinished(other, *end, *early)
            }
            Some((end, ScrapeEnd::Failed(_))) => *end >= scrape.start,
            None => true,
        })
    }

    /// Whether a scrape cannot have been all sent when it was left: there was somebody to wait for.
    fn was_unfinished(&self, scrape: &ScrapeRecord, end: At, early: bool) -> bool {
        // By then the proxy knows.
        let known = end + SCRAPER_LATENCY * 2;
        if early {
            return (0..self.ledger.apps.len()).any(|app| self.is_untouched(app, scrape, known));
        }
        known < scrape.start + self.terms.scrape_budget()
            && !self.is_disturbed(scrape, known)
            && self.ledger.sure_mutes.throughout(scrape.start, known)
            && !self.ledger.proxy.any(scrape.start.saturating_sub(self.terms.lifetime), known)
    }

    /// By when a scrape of so many bytes has to end: what its scraper has given, or more where what is left to send at the
    /// deadline takes longer than what the proxy keeps for it.
    fn latest_end(&self, scrape: &ScrapeRecord, len: usize) -> At {
        let deadline = scrape.start + self.terms.scrape_budget();
        (scrape.start + scrape.timeout).max(deadline + self.sending(len))
    }

    /// How long an answer may take to reach a scraper, each text of it expanded by a job: on the smallest window and bandwidth that
    /// scrapers have.
    fn sending(&self, len: usize) -> Duration {
        let windows = (len / (24 * 1024)) as u32 + 4;
        let sent = SCRAPER_LATENCY * windows * 2;
        let bandwidth = Duration::from_secs_f64(len as f64 / 8_000_000.0);
        sent + bandwidth + self.terms.job_time * self.ledger.apps.len() as u32
    }

    /// How long a job may wait behind those of other applications, in as many rounds as there are at once.
    fn working(&self) -> Duration {
        self.terms.job_time * (2 * self.ledger.apps.len() as u32 + 8)
    }
}

impl PushRecord {
    /// Whether this text may be what was pushed.
    fn may_be(&self, record: &AppRecord, serial: usize) -> bool {
        let end = self.done.as_ref().map_or(record.calls.len(), |done| done.end_call);
        (self.first_call..end).contains(&serial)
    }
}
