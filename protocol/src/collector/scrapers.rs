//! Those who scrape, and which of them a push has reached.

use std::time::{Duration, Instant};

/// Scrapers that are known at once. The one that has not been seen for longest is forgotten for another, and with it what it has had.
pub(super) const MAX_SCRAPERS: usize = 64;

/// How long ago a scraper that still counts was last seen at most.
const LATELY: Duration = Duration::from_secs(600);

/// A scraper, for as long as it is known. One that was forgotten and comes back is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScraperId {
    slot: u32,
    generation: u64,
}

/// All scrapers that are known, at most [`MAX_SCRAPERS`].
#[derive(Debug, Default)]
pub(super) struct Scrapers {
    table: Vec<Scraper>,
    next: u64,
}

#[derive(Debug)]
struct Scraper {
    key: Box<str>,
    generation: u64,
    seen: Instant,
}

/// A set of scrapers that are known: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ScraperSet(u64);

impl Scrapers {
    /// A scraper begins a scrape. Returns also the set of whom was forgotten for it.
    pub(super) fn see(&mut self, now: Instant, key: &str) -> (ScraperId, ScraperSet) {
        let mut known = (0_u32..).zip(&mut self.table);
        if let Some((slot, scraper)) = known.find(|(_, scraper)| *scraper.key == *key) {
            scraper.seen = now;
            return (ScraperId { slot, generation: scraper.generation }, ScraperSet::default());
        }
        self.next += 1;
        let generation = self.next;
        let fresh = Scraper { key: key.into(), generation, seen: now };
        if self.table.len() < MAX_SCRAPERS {
            let slot = self.table.len() as u32;
            self.table.push(fresh);
            return (ScraperId { slot, generation }, ScraperSet::default());
        }
        let known = (0_u32..).zip(&mut self.table);
        let Some((slot, oldest)) = known.min_by_key(|(_, scraper)| scraper.seen) else {
            return (ScraperId { slot: 0, generation }, ScraperSet::default());
        };
        *oldest = fresh;
        (ScraperId { slot, generation }, ScraperSet(bit(slot)))
    }

    /// Whether a scraper has not been forgotten.
    pub(super) fn is_known(&self, id: ScraperId) -> bool {
        let scraper = self.table.get(id.slot as usize);
        scraper.is_some_and(|scraper| scraper.generation == id.generation)
    }

    /// Those that were seen in the last ten minutes.
    pub(super) fn seen_lately(&self, now: Instant) -> ScraperSet {
        let is_late = |scraper: &Scraper| now.saturating_duration_since(scraper.seen) <= LATELY;
        let late = (0_u32..).zip(&self.table).filter(|(_, scraper)| is_late(scraper));
        ScraperSet(late.fold(0, |set, (slot, _)| set | bit(slot)))
    }
}

impl ScraperSet {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, id: ScraperId) -> bool {
        self.0 & bit(id.slot) != 0
    }

    pub(super) fn contains_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Adds a scraper; says whether it is new.
    pub(super) fn insert(&mut self, id: ScraperId) -> bool {
        let is_new = !self.contains(id);
        self.0 |= bit(id.slot);
        is_new
    }

    pub(super) fn remove_all(&mut self, others: Self) {
        self.0 &= !others.0;
    }
}

fn bit(slot: u32) -> u64 {
    1_u64.checked_shl(slot).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scraper_that_was_not_seen_for_longest_is_forgotten() {
        let (mut scrapers, start) = (Scrapers::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let ids: Vec<ScraperId> =
            (0..64).map(|nth| scrapers.see(at(nth), &nth.to_string()).0).collect();
        assert_eq!(scrapers.see(at(64), "0").0, ids[0], "it is known");
        let (newcomer, forgotten) = scrapers.see(at(65), "new");
        assert!(forgotten.contains(ids[1]) && !forgotten.contains(ids[0]));
        assert!(!scrapers.is_known(ids[1]) && scrapers.is_known(newcomer));
        assert_ne!(scrapers.see(at(66), "1").0, ids[1], "it is another one now");
    }

    #[test]
    fn a_scraper_counts_for_ten_minutes() {
        let (mut scrapers, start) = (Scrapers::default(), Instant::now());
        let (id, _) = scrapers.see(start, "a");
        assert!(scrapers.seen_lately(start + LATELY).contains(id));
        assert!(scrapers.seen_lately(start + LATELY + Duration::from_secs(1)).is_empty());
    }
}
