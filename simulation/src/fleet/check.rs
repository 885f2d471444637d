//! The invariants of a fleet, checked when everything is known.

#[cfg(test)]
mod tests;

use super::ledger::{Answer, Ledger, Life, Push, Round};
use super::world::PUSH_TTL;
use super::{Disks, Fleet};
use crate::report::{Counts, Kind, Violation};
use prometheus_rsocket_sim::Balance;

/// Judges everything that was recorded.
pub(super) fn check(ledger: &mut Ledger, fleet: &Fleet) {
    let mut found = Found::default();
    for app in 0..ledger.apps.len() {
        for push in &ledger.apps[app].pushes {
            found.counts.add("pushes acknowledged", 1);
            (0..ledger.scrapers)
                .for_each(|scraper| found.push(ledger, fleet.disks, (app, push), scraper));
        }
    }
    ledger.rounds.iter().for_each(|round| found.round(ledger, round));
    if let Some(round) = ledger.rounds.last() {
        found.spread(ledger, round, fleet);
    }
    found.settled(ledger);
    ledger.counts.add_all(&found.counts);
    ledger.violations.append(&mut found.violations);
    ledger.violations.sort_by_key(|violation| violation.at);
    ledger.violations.truncate(20);
}

#[derive(Default)]
struct Found {
    counts: Counts,
    violations: Vec<Violation>,
}

impl Found {
    /// A stored push reaches each scraper before it expires, unless its proxy was killed and has no disk, or has given that scraper something later
    /// of the application.
    fn push(&mut self, ledger: &Ledger, disks: Disks, (app, push): (usize, &Push), scraper: usize) {
        let has = |answer: &&Answer, is_it: &dyn Fn(usize) -> bool| {
            answer.scraper == scraper
                && answer.texts.iter().any(|(other, serial)| *other == app && is_it(*serial))
        };
        let expires = push.stored + PUSH_TTL;
        let mut answers = ledger.answers.iter();
        if answers
            .any(|answer| has(&answer, &|it| push.serials.contains(&it)) && answer.end <= expires)
        {
            self.counts.add("pushes delivered", 1);
            return;
        }
        // With a disk, a proxy's next life has the pushes of the previous one.
        let has_it = |of: Life| match disks {
            Disks::None => of == push.by,
            Disks::Safe | Disks::Lying => of.proxy == push.by.proxy && of.number >= push.by.number,
        };
        let mut later = ledger.answers.iter().filter(|answer| has_it(answer.of));
        if later.any(|answer| has(&answer, &|serial| serial >= push.serials.end)) {
            self.counts.add("pushes superseded", 1);
            return;
        }
        let is_killed = |(at, life): &(_, _)| *life == push.by && *at <= expires;
        if disks == Disks::None && ledger.kills.iter().any(is_killed) {
            self.counts.add("pushes lost with a proxy that was killed", 1);
            return;
        }
        let Push { at, serials, by, .. } = push;
        let what = format!(
            "push {serials:?} of app-{app}, stored by {by:?}, is not in a scrape of prometheus-{scraper}"
        );
        self.violations.push(Violation { at: *at, kind: Kind::PushLost, what });
    }

    /// Every connected application is in the answer of exactly one proxy.
    fn round(&mut self, ledger: &Ledger, round: &Round) {
        for (app, _) in round.settled.iter().enumerate().filter(|(_, settled)| **settled) {
            let answers = round.answers.iter();
            let found = answers.filter(|answer| round.is_fresh(ledger, answer, app)).count();
            self.counts.add("applications found", found as u64);
            if found == 1 || found == 0 && round.answers.contains(&None) {
                continue;
            }
            let kind = if found == 0 { Kind::Missing } else { Kind::Twice };
            let what = format!("app-{app} is in the answers of {found} proxies");
            self.violations.push(Violation { at: round.end, kind, what });
        }
    }

    /// Each application was settled in at least one round, and each proxy has answered in every round.
    fn settled(&mut self, ledger: &Ledger) {
        let Some(last) = ledger.rounds.last() else { return };
        let mut complain = |what| {
            self.violations.push(Violation { at: last.end, kind: Kind::NotHealed, what });
        };
        for round in ledger.rounds.iter().filter(|round| round.answers.contains(&None)) {
            complain(format!("at {:?} a proxy does not answer", round.start));
        }
        for app in 0..ledger.apps.len() {
            if !ledger.rounds.iter().any(|round| round.settled[app]) {
                complain(format!("app-{app} has no connection that stays"));
            }
        }
    }

    /// No proxy has a quarter more or less than its share of the applications.
    fn spread(&mut self, ledger: &Ledger, round: &Round, fleet: &Fleet) {
        let apps = ledger.apps.len();
        let of_each = round.answers.iter();
        let of_each: Vec<usize> = of_each
            .map(|answer| (0..apps).filter(|app| round.is_fresh(ledger, answer, *app)).count())
            .collect();
        let even = apps as f64 / of_each.len().max(1) as f64;
        let mut tolerance = even / 4.0;
        if fleet.balance == Balance::Random {
            // Chance has its own tolerance: four standard deviations.
            tolerance += 4.0 * even.sqrt();
        }
        // Applications that are moving may have been anywhere.
        let moving = apps.saturating_sub(of_each.iter().sum());
        let off = |count: &usize| (*count as f64 - even).max(even - (count + moving) as f64);
        let furthest = of_each.iter().map(off).fold(0.0, f64::max);
        self.counts.add("loads compared", of_each.len() as u64);
        if furthest > tolerance {
            let what = format!("the proxies have {of_each:?} applications, {:?}", fleet.balance);
            self.violations.push(Violation { at: round.end, kind: Kind::Uneven, what });
        }
    }
}

impl Round {
    /// Whether an answer has a text that an application has given for it.
    fn is_fresh(&self, ledger: &Ledger, answer: &Option<Vec<(usize, usize)>>, app: usize) -> bool {
        let calls = &ledger.apps[app].calls;
        let given = |serial: usize| calls.get(serial).is_some_and(|at| *at >= self.start);
        let mut texts = answer.iter().flatten();
        texts.any(|(other, serial)| *other == app && given(*serial))
    }
}
