//! Pushes of last metrics.

use super::{Found, Judge};
use crate::ledger::{AppRecord, At, Call, Came, Of, PushRecord, ScrapeEnd, ScrapeRecord};
use crate::report::Kind;
use crate::scenario::PUSH_TIMEOUT;
use crate::world::SCRAPER_LATENCY;
use prometheus_rsocket_client::PushMode;

impl Judge<'_> {
    /// A push that is stored reaches every scraper.
    pub(super) fn push(&self, app: usize, push: &PushRecord, found: &mut Found) {
        let record = &self.ledger.apps[app];
        if record.is_twin {
            // An answer of one twin supersedes what the other pushes.
            return;
        }
        let Some(done) = push.done.as_ref().filter(|done| done.result.is_ok()) else {
            found.counts.add("pushes not acknowledged", 1);
            self.refused_push(app, push, found);
            return;
        };
        let stored = match push.mode {
            PushMode::Acknowledged => done.at,
            // A push without acknowledgement arrives if nothing is in its way.
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
            // What cannot be read is dropped if nobody waits for an acknowledgement.
            (PushMode::FireAndForget, true) => {}
            (mode, false) => {
                let is_acknowledged = mode == PushMode::Acknowledged;
                let name = if is_acknowledged { "pushes acknowledged" } else { "pushes in peace" };
                found.counts.add(name, 1);
                found.counts.add("pushes due", self.is_due(app, push).into());
                self.stored_push(&Stored { app, push, at: stored, serials: &serials }, found);
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

    /// Whether a push has to be stored: its application was connected and left in peace, and its text was there in time.
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

    fn stored_push(&self, stored: &Stored<'_>, found: &mut Found) {
        for scraper in 0..self.ledger.scrapers.len() {
            self.push_for(stored, scraper, found);
        }
    }

    /// A stored push is in the next scrape of a scraper, unless the scraper has had it, or has it in another answer of which it is unknown whether it
    /// was read.
    fn push_for(&self, stored: &Stored<'_>, scraper: usize, found: &mut Found) {
        let Stored { app, push, at, serials } = *stored;
        // Whether the proxy may consider it delivered although it was not read.
        let mut may_be_delivered = false;
        for (index, scrape) in self.ledger.scrapes.iter().enumerate() {
            let end = scrape.end.as_ref().map_or(At::MAX, |(end, _)| *end);
            if scrape.scraper != scraper
                || end < push.at
                || self.was_decided_before(scrape, push.at)
                || !may_be_of(scrape, app)
            {
                continue;
            }
            let is_of_it = scrape.of == Of::All || scrape.of == Of::One(app);
            let is_bound = is_of_it && scrape.start >= at && !self.is_disturbed(scrape, end);
            match scrape.end.as_ref().map(|(_, came)| came) {
                Some(ScrapeEnd::Whole { sections, .. }) if stored.is_in(sections) => {
                    found.counts.add("pushes seen", 1);
                    return;
                }
                Some(ScrapeEnd::Whole { sections, .. }) if self.supersedes(stored, sections) => {
                    found.counts.add("pushes superseded", 1);
                    return;
                }
                Some(ScrapeEnd::Whole { .. } | ScrapeEnd::Down { .. }) => {
                    if end >= push.at + self.terms.push_ttl {
                        found.counts.add("pushes whose time was over", 1);
                        return;
                    }
                    if !is_bound {
                        continue;
                    }
                    if may_be_delivered {
                        found.counts.add("pushes in broken scrapes", 1);
                        return;
                    }
                    if self.may_be_in_another(app, scrape) {
                        found.counts.add("pushes left out for another scrape", 1);
                        continue;
                    }
                    let what = format!("scrape {index} is without push {serials:?} of app-{app}");
                    found.violation(end, Kind::PushLost, what);
                    return;
                }
                // A connection that breaks delivers nothing.
                Some(ScrapeEnd::Headers | ScrapeEnd::Failed(_)) => {}
                // A later answer of the application that was left together with its scrape makes the proxy forget the push.
                Some(ScrapeEnd::Abandoned { early })
                    if serials.len() == 1 && self.was_unfinished(scrape, end, *early) =>
                {
                    found.counts.add("pushes kept for the next scrape", 1);
                }
                Some(ScrapeEnd::Abandoned { .. } | ScrapeEnd::Unended) | None => {
                    may_be_delivered = true;
                }
            }
        }
    }

    /// Whether an answer has a text of the application that is newer than a push, and is certainly not a push itself. Pushes are kept beside each
    /// other, since no two of them have the same series.
    fn supersedes(&self, stored: &Stored<'_>, sections: &[(usize, usize)]) -> bool {
        let record = &self.ledger.apps[stored.app];
        let since = stored.push.done.as_ref().map_or(record.calls.len(), |done| done.end_call);
        let is_later =
            |serial: usize| serial >= since && !record.pushes.iter().any(|push| push.is_of(serial));
        // Otherwise, each of its connections is an application of its own.
        (record.instance.is_some() || record.is_learnt)
            && sections.iter().any(|(app, serial)| *app == stored.app && is_later(*serial))
    }

    /// Whether an application's pushes may be left out of a scrape, because another scrape of the same scraper may have one of them or something
    /// later, and it is unknown whether that one was read.
    fn may_be_in_another(&self, app: usize, scrape: &ScrapeRecord) -> bool {
        // Requests may overtake each other.
        let latest = scrape.start + SCRAPER_LATENCY * 3;
        let mut others = self.ledger.scrapes.iter().filter(|other| {
            other.scraper == scrape.scraper
                && other.start <= latest
                && !std::ptr::eq(*other, scrape)
                && may_be_of(other, app)
        });
        others.any(|other| {
            // The proxy learns of a broken connection to the scraper, and reacts after its current work.
            let broken = |end: At| end + SCRAPER_LATENCY * 2 + self.terms.job_time * 2;
            let until =
                |known: At, is_held_up: bool| known + if is_held_up { STUCK } else { At::ZERO };
            match &other.end {
                Some((end, ScrapeEnd::Whole { sections, .. })) => {
                    sections.iter().any(|(other, _)| *other == app)
                        && !self.was_delivered_before(other, scrape)
                        && *end + STUCK >= scrape.start
                }
                Some((_, ScrapeEnd::Down { .. } | ScrapeEnd::Headers)) => false,
                Some((end, ScrapeEnd::Failed(_))) => {
                    let is_held_up = self.ledger.proxy.any(other.opened, broken(*end));
                    until(broken(*end), is_held_up) >= scrape.start
                }
                Some((end, ScrapeEnd::Abandoned { .. } | ScrapeEnd::Unended)) => {
                    let is_held_up = self.is_disturbed(other, broken(*end));
                    until(broken(*end), is_held_up) >= scrape.start
                }
                None => true,
            }
        })
    }

    /// Whether a scrape cannot have been sent completely when it was left, because there was somebody to wait for.
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

/// A push that the proxy holds.
#[derive(Clone, Copy)]
struct Stored<'a> {
    app: usize,
    push: &'a PushRecord,
    /// The latest time at which it was stored.
    at: At,
    /// The numbers of the texts that it may be.
    serials: &'a [usize],
}

impl Stored<'_> {
    fn is_in(&self, sections: &[(usize, usize)]) -> bool {
        sections.iter().any(|(app, serial)| *app == self.app && self.serials.contains(serial))
    }
}

/// How long it may take until the proxy gives up a stuck connection, and the answer that was sent over it.
const STUCK: At = At::from_secs(155);

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

    /// Whether this text is certainly what was pushed.
    pub(super) fn is_of(&self, serial: usize) -> bool {
        let done = self.done.as_ref().filter(|done| done.result.is_ok());
        done.is_some_and(|done| self.first_call == serial && done.end_call == serial + 1)
    }
}
