//! The places of texts, their order, and how often applications are asked for them.

use super::{Found, Judge, Whole, is_by};
use crate::ledger::{At, ListRecord, Of};
use crate::report::Kind;
use std::collections::BTreeMap;

impl Judge<'_> {
    /// No text is in two places, or in one for which it was not asked. Scrapes that are under way at once share a request.
    pub(super) fn texts(&self, found: &mut Found) {
        let mut seen: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for Whole { index, scrape, end, sections, .. } in self.wholes() {
            for (app, serial) in sections {
                let before = seen.entry((*app, *serial)).or_default();
                // An answer is in each scrape that begins before it arrives. A push is in one scrape of each scraper's, until one is read.
                let record = &self.ledger.apps[*app];
                let is_pushed = record.pushes.iter().any(|push| push.may_be(record, *serial));
                let is_again = before.iter().any(|other| {
                    let earlier = &self.ledger.scrapes[*other];
                    let ended = earlier.end.as_ref().map(|(end, _)| *end);
                    let is_over = ended.is_some_and(|ended| ended < scrape.start);
                    *other == index
                        || (is_over && !is_pushed)
                        || self.was_delivered_before(earlier, scrape)
                });
                if is_again && !self.may_be_sent_again(*app, *serial, scrape.start) {
                    let what =
                        format!("text {serial} of app-{app} is in scrapes {before:?} and {index}");
                    found.violation(end, Kind::Twice, what);
                }
                if !self.may_be_in(*app, *serial, scrape.start, end) {
                    let what = format!("text {serial} of app-{app} is in scrape {index}");
                    found.violation(end, Kind::Stale, what);
                }
                before.push(index);
            }
        }
    }

    /// Whether a text may have been pushed twice and be held twice, because its connection ended before the acknowledgement. The proxy recognises the
    /// bytes while it holds them, if the application has a name.
    fn may_be_sent_again(&self, app: usize, serial: usize, start: At) -> bool {
        let record = &self.ledger.apps[app];
        record.pushes.iter().filter(|push| push.may_be(record, serial)).any(|push| {
            let from = push.at.saturating_sub(self.terms.settled_within());
            let until = push.done.as_ref().map_or(At::MAX, |done| done.at);
            let is_touched = record.faults.any(from, until) || self.ledger.proxy.any(from, until);
            is_touched && (!record.has_name() || start >= push.at + self.terms.push_ttl)
        })
    }

    /// Whether a text may be in a scrape: it was pushed, or was asked for during the scrape, or its request was under way when the scrape began.
    fn may_be_in(&self, app: usize, serial: usize, start: At, end: At) -> bool {
        let record = &self.ledger.apps[app];
        if record.pushes.iter().any(|push| push.may_be(record, serial)) {
            return true;
        }
        let call = &record.calls[serial];
        let arrival = record.transfer + self.working();
        let is_late = || record.is_touched(call.at, start) || self.ledger.proxy.any(call.at, start);
        call.at <= end
            && call.at + self.terms.scrape_budget() >= start
            && (is_by(call, arrival, start) || is_late())
    }

    /// Applications that stay connected keep their order from one scrape to the next.
    pub(super) fn order(&self, found: &mut Found) {
        let wholes: Vec<Whole<'_>> = self.wholes_of_all().collect();
        for pair in wholes.windows(2) {
            let [first, second] = pair else { continue };
            let stays = |app: usize| {
                let record = &self.ledger.apps[app];
                // Twins and learnt applications may take over an entry of theirs or of each other. Without a name, the pushes of the last connection
                // have a place of their own.
                let may_move = record.is_twin
                    || record.is_learnt
                    || record.instance.is_none() && !record.pushes.is_empty();
                let end = first.end.max(second.end);
                self.is_untouched(app, first.scrape, end) && second.scrape.ready[app] && !may_move
            };
            let places = |whole: &Whole<'_>, other: &Whole<'_>| -> Vec<usize> {
                let apps = whole.sections.iter().map(|(app, _)| *app);
                let is_in_other =
                    |app: &usize| other.sections.iter().any(|(also, _)| also == app) && stays(*app);
                let mut places: Vec<usize> = apps.filter(is_in_other).collect();
                // Several pushes of an application are in one place.
                places.dedup();
                places
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

    /// No scraper sees a text of an application after a newer one that it has read.
    pub(super) fn ages(&self, found: &mut Found) {
        let mut newest: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut unread: Vec<Whole<'_>> = Vec::new();
        for whole in self.wholes() {
            let Whole { index, scrape, end, sections, .. } = whole;
            unread.retain(|earlier| {
                let is_read = self.was_delivered_before(earlier.scrape, scrape);
                for (app, serial) in earlier.sections.iter().filter(|_| is_read) {
                    let newest = newest.entry((scrape.scraper, *app)).or_default();
                    *newest = (*newest).max(*serial);
                }
                !is_read
            });
            for (app, serial) in sections {
                let before = newest.get(&(scrape.scraper, *app)).copied().unwrap_or(0);
                found.counts.add("ages compared", 1);
                if *serial < before && !self.may_follow(*app, *serial, before, end) {
                    let what =
                        format!("text {serial} of app-{app} is in scrape {index}, behind {before}");
                    found.violation(end, Kind::Backwards, what);
                }
            }
            unread.push(whole);
        }
    }

    /// Whether an older text may be in a scrape after one that had a newer text.
    fn may_follow(&self, app: usize, older: usize, newer: usize, end: At) -> bool {
        let record = &self.ledger.apps[app];
        if !record.has_name() {
            // Each of its connections is an application of its own.
            return true;
        }
        let (old, new) = (&record.calls[older], &record.calls[newer]);
        let mut pushes = record.pushes.iter().filter(|push| push.may_be(record, older)).peekable();
        if pushes.peek().is_none() {
            return record.is_touched(old.at, end) || self.ledger.proxy.any(old.at, end);
        }
        // The newer text was asked for before everything was known about the push.
        pushes.any(|push| push.done.as_ref().is_none_or(|done| done.at >= new.at))
    }

    /// No application is asked while it is being asked. Calls for pushes are the application's own.
    pub(super) fn requests(&self, found: &mut Found) {
        for (app, record) in self.ledger.apps.iter().enumerate() {
            for (serial, pair) in record.calls.windows(2).enumerate() {
                let [call, next] = pair else { continue };
                let is_pushed = record.pushes.iter().any(|push| {
                    let done = push.done.as_ref().map_or(At::MAX, |done| done.at);
                    push.at <= next.at && done >= call.at
                });
                if call.over() > next.at && !is_pushed {
                    let what = format!("app-{app} is asked again while {serial} is under way");
                    found.violation(next.at, Kind::Doubled, what);
                }
            }
            let again = record.calls.windows(2).filter(|pair| pair[0].dropped.is_some());
            found.counts.add("asked again", again.count() as u64);
        }
    }

    /// A list of targets has all applications that are remembered, and is never empty.
    pub(super) fn list(&self, list: &ListRecord, found: &mut Found) {
        let from = list.opened.min(list.start);
        let scraper = &self.ledger.scrapers[list.scraper];
        if scraper.any(from, list.end) || self.ledger.proxy.any(from, list.end) {
            return;
        }
        let paths = match &list.paths {
            Ok(paths) => paths,
            Err(error) => {
                found.violation(list.end, Kind::Failed, format!("the list of targets: {error}"));
                return;
            }
        };
        found.counts.add("lists", 1);
        for app in 0..self.ledger.apps.len() {
            if !self.is_remembered(app, list.start, list.end) {
                continue;
            }
            found.counts.add("targets due", 1);
            if !paths.iter().any(|path| *path == format!("app-{app}")) {
                let what = format!("app-{app} is not in the list of targets");
                found.violation(list.end, Kind::Missing, what);
            }
        }
    }

    /// Checks what the proxy says about one application that it does not serve.
    pub(super) fn down(
        &self,
        index: usize,
        end: At,
        (status, reason): (u16, Option<&'static str>),
        found: &mut Found,
    ) {
        let scrape = &self.ledger.scrapes[index];
        let expected = match reason {
            None => 404,
            Some("timeout") => 504,
            Some("closed" | "connecting" | "gone" | "not_asked" | "overloaded" | "worker") => 503,
            Some(_) => 502,
        };
        let says = format!("scrape {index}: {:?} has status {status}, {reason:?}", scrape.of);
        let Of::One(app) = scrape.of else {
            if status != expected {
                found.violation(end, Kind::Untrue, says);
            }
            return;
        };
        let is_forgotten = reason.is_none() && self.is_remembered(app, scrape.start, end);
        let truth = self.truth(app, scrape, end);
        let is_untrue = truth.is_some_and(|truth| reason.is_some() && truth != reason);
        if status != expected || is_forgotten || is_untrue {
            found.violation(end, Kind::Untrue, format!("{says}, and it is {truth:?}"));
        }
        if reason == Some("gone") {
            found.counts.add("targets gone", 1);
        }
        self.completeness(index, end, &[], found);
    }
}
