//! Last metrics that are pushed.

use super::{Found, Judge};
use crate::ledger::{AppRecord, At, Call, Came, Of, PushRecord, ScrapeEnd, ScrapeRecord};
use crate::report::Kind;
use crate::scenario::PUSH_TIMEOUT;
use crate::world::SCRAPER_LATENCY;
use prometheus_rsocket_client::PushMode;

impl Judge<'_> {
    /// A push that is stored is in the next scrape, unless it was in one before.
    pub(super) fn push(&self, app: usize, push: &PushRecord, found: &mut Found) {
        let record = &self.ledger.apps[app];
        if record.is_twin {
            // What the one pushes, an answer of the other supersedes.
            return;
        }
        let Some(done) = push.done.as_ref().filter(|done| done.result.is_ok()) else {
            found.counts.add("pushes not acknowledged", 1);
            self.refused_push(app, push, found);
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
                found.counts.add("pushes due", self.is_due(app, push).into());
                self.stored_push(app, push, stored, &serials, found);
            }
        }
    }

    /// A push of an application that was left in peace is stored, whatever others push.
    fn refused_push(&self, app: usize, push: &PushRecord, found: &mut Found) {
        let Some(done) = &push.done else { return };
        if self.is_due(app, push) {
            let what = format!("app-{app} pushed in peace, and hears {:?}", done.result);
            found.violation(done.at, Kind::PushLost, what);
        }
    }

    /// Whether a push has to be stored: its application was connected and left in peace, and its text was there soon.
    fn is_due(&self, app: usize, push: &PushRecord) -> bool {
        let record = &self.ledger.apps[app];
        let Some(done) = &push.done else { return false };
        let from = push.at.saturating_sub(self.terms.settled_within());
        let (before, soon) = (push.at.saturating_sub(At::from_nanos(1)), push.at + SOON);
        let calls = record.calls.get(push.first_call..done.end_call).unwrap_or_default();
        let is_soon = |call: &Call| matches!(call.came, Some((at, Came::Text(_))) if at <= soon);
        push.mode == PushMode::Acknowledged
            && !record.downs.any(from, before)
            && !record.faults.any(from, done.at)
            && !self.ledger.proxy.any(from, done.at)
            && !calls.is_empty()
            && calls.iter().all(is_soon)
            && record.transfer * 2 + self.working() + SOON < PUSH_TIMEOUT
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
        let record = &self.ledger.apps[app];
        for (index, scrape) in self.ledger.scrapes.iter().enumerate() {
            let end = scrape.end.as_ref().map_or(At::MAX, |(end, _)| *end);
            let is_of_it = scrape.of == Of::All || scrape.of == Of::One(app);
            if end < push.at || self.was_decided_before(scrape, push.at) || !may_be_of(scrape, app)
            {
                continue;
            }
            let is_bound = is_of_it && scrape.start >= stored && !self.is_disturbed(scrape, end);
            match scrape.end.as_ref().map(|(_, came)| came) {
                Some(ScrapeEnd::Whole { sections, .. }) if holds(sections) => {
                    found.counts.add("pushes seen", 1);
                    return;
                }
                Some(ScrapeEnd::Whole { .. } | ScrapeEnd::Down { .. })
                    if scrape.start >= expires =>
                {
                    return;
                }
                Some(ScrapeEnd::Whole { .. } | ScrapeEnd::Down { .. }) if is_bound => {
                    if record.has_answered_since(push, end) {
                        found.counts.add("pushes superseded", 1);
                    } else if may_be_sent {
                        found.counts.add("pushes in broken scrapes", 1);
                    } else if !self.may_be_in_another(holds, scrape) {
                        let what =
                            format!("scrape {index} is without push {serials:?} of app-{app}");
                        found.violation(end, Kind::PushLost, what);
                    }
                    return;
                }
                Some(ScrapeEnd::Whole { .. } | ScrapeEnd::Down { .. }) => {}
                // An answer that was made after it, and was left with the scrape, has it forgotten.
                Some(ScrapeEnd::Abandoned { early })
                    if serials.len() == 1 && self.was_unfinished(scrape, end, *early) =>
                {
                    found.counts.add("pushes kept for the next scrape", 1);
                }
                Some(ScrapeEnd::Abandoned { .. } | ScrapeEnd::Failed(_)) | None => {
                    may_be_sent = true;
                }
            }
        }
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
            Some((_, ScrapeEnd::Down { .. })) => false,
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
}

/// By when the text of a push has to be there for the push to be in time.
const SOON: At = At::from_millis(500);

/// Whether a scrape may have what an application has pushed.
fn may_be_of(scrape: &ScrapeRecord, app: usize) -> bool {
    match scrape.of {
        Of::All | Of::Somebody => true,
        Of::One(other) => other == app,
    }
}

impl PushRecord {
    /// Whether this text may be what was pushed.
    pub(super) fn may_be(&self, record: &AppRecord, serial: usize) -> bool {
        let end = self.done.as_ref().map_or(record.calls.len(), |done| done.end_call);
        (self.first_call..end).contains(&serial)
    }

    /// Whether this text is what was pushed, for sure.
    pub(super) fn is_of(&self, serial: usize) -> bool {
        let done = self.done.as_ref().filter(|done| done.result.is_ok());
        done.is_some_and(|done| self.first_call == serial && done.end_call == serial + 1)
    }
}

impl AppRecord {
    /// Whether an application that is known again has answered since it pushed, so that the push is of no use any more.
    fn has_answered_since(&self, push: &PushRecord, until: At) -> bool {
        let since = push.done.as_ref().map_or(self.calls.len(), |done| done.end_call);
        let mut later = self.calls[since..].iter();
        (self.instance.is_some() || self.is_learnt)
            && later.any(|call| matches!(call.came, Some((at, Came::Text(_))) if at <= until))
    }
}
