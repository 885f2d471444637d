//! Scrapers, and which of them have received a push.

use std::time::{Duration, Instant};

/// The maximum number of known scrapers. Beyond it, one is forgotten together with what it has received.
pub(super) const MAX_SCRAPERS: usize = 64;

/// The maximum number of scrapers without a name among them.
const MAX_UNNAMED: usize = 16;

/// How recently a scraper must have been seen to count.
const LATELY: Duration = Duration::from_secs(600);

/// A scraper's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scraper {
    name: String,
    origin: String,
    connection: Option<u64>,
}

impl Scraper {
    /// A scraper with a name, by which it is recognised. `origin` is where it comes from: names from one origin do not displace
    /// those from another.
    pub fn named(name: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { name: name.into(), origin: origin.into(), connection: None }
    }

    /// A scraper without a name, recognised only by its connection, whose number is used once. Each such connection is served
    /// pushes by itself; once one of them has received a later answer, none without a name from this origin gets earlier pushes.
    pub fn unnamed(origin: impl Into<String>, connection: u64) -> Self {
        let origin = origin.into();
        Self { name: origin.clone(), origin, connection: Some(connection) }
    }

    /// Returns its name or, for a scraper without a name, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A known scraper. One that was forgotten and returns has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScraperId {
    slot: u32,
    generation: u64,
}

/// The scraper of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) scraper: ScraperId,
    /// What it shares with other scrapers without a name from its origin. For a scraper with a name, the same as `scraper`.
    pub(super) group: ScraperId,
}

impl Whose {
    /// No known scraper: for a look at an application, which does not deliver pushes.
    pub(super) const NOBODY: Self = {
        let id = ScraperId { slot: u32::MAX, generation: 0 };
        Self { scraper: id, group: id }
    };
}

/// All known scrapers, at most [`MAX_SCRAPERS`].
#[derive(Debug, Default)]
pub(super) struct Scrapers {
    table: Vec<Known>,
    next: u64,
}

#[derive(Debug)]
struct Known {
    scraper: Scraper,
    generation: u64,
    seen: Instant,
}

impl Known {
    fn is_unnamed(&self) -> bool {
        self.scraper.connection.is_some()
    }
}

/// A set of known scrapers, with one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ScraperSet(u64);

impl Scrapers {
    /// A scraper starts a scrape. Also returns the set of scrapers that were forgotten for it.
    pub(super) fn see(&mut self, now: Instant, scraper: &Scraper) -> (Whose, ScraperSet) {
        let mut forgotten = ScraperSet::default();
        let group = Scraper { connection: None, ..scraper.clone() };
        let group = self.see_one(now, &group, None, &mut forgotten);
        let scraper = match scraper.connection {
            None => group,
            Some(_) => self.see_one(now, scraper, Some(group), &mut forgotten),
        };
        (Whose { scraper, group }, forgotten)
    }

    fn see_one(
        &mut self,
        now: Instant,
        scraper: &Scraper,
        spared: Option<ScraperId>,
        forgotten: &mut ScraperSet,
    ) -> ScraperId {
        let is_it =
            |known: &Scraper| known.name == scraper.name && known.connection == scraper.connection;
        let mut known = (0_u32..).zip(&mut self.table);
        if let Some((slot, known)) = known.find(|(_, known)| is_it(&known.scraper)) {
            known.seen = now;
            return ScraperId { slot, generation: known.generation };
        }
        self.next += 1;
        let generation = self.next;
        let fresh = Known { scraper: scraper.clone(), generation, seen: now };
        let slot = self.yielding(&fresh, spared);
        if let Some(known) = self.table.get_mut(slot as usize) {
            *known = fresh;
            forgotten.0 |= bit(slot);
        } else {
            self.table.push(fresh);
        }
        ScraperId { slot, generation }
    }

    /// The slot for a new scraper: a free one, or that of a scraper to forget. Those without a name go first, then those of the
    /// origin with the most, and among these the one that was not seen for longest.
    fn yielding(&self, fresh: &Known, spared: Option<ScraperId>) -> u32 {
        let unspared = || {
            let all = (0_u32..).zip(&self.table);
            all.filter(move |(slot, _)| spared.is_none_or(|spared| spared.slot != *slot))
        };
        let unnamed = || unspared().filter(|(_, known)| known.is_unnamed());
        let is_free = self.table.len() < MAX_SCRAPERS
            && !(fresh.is_unnamed() && unnamed().count() >= MAX_UNNAMED);
        let free = self.table.len() as u32;
        if is_free {
            return free;
        }
        let of = |origin: &str| unspared().filter(|(_, it)| it.scraper.origin == *origin).count();
        let oldest = unnamed().min_by_key(|(_, known)| known.seen).or_else(|| {
            unspared().min_by_key(|(_, it)| (std::cmp::Reverse(of(&it.scraper.origin)), it.seen))
        });
        oldest.map_or(free, |(slot, _)| slot)
    }

    /// Whether a scraper has not been forgotten.
    pub(super) fn is_known(&self, id: ScraperId) -> bool {
        let known = self.table.get(id.slot as usize);
        known.is_some_and(|known| known.generation == id.generation)
    }

    /// The names of the scrapers in a set, each once, and when they were last seen. Scrapers without a name are listed by their origin.
    pub(super) fn of(&self, set: ScraperSet) -> Vec<(&str, Instant)> {
        let known = (0_u32..).zip(&self.table);
        let mut found: Vec<(&str, Instant)> = Vec::new();
        for (_, known) in known.filter(|(slot, _)| set.0 & bit(*slot) != 0) {
            let name = &*known.scraper.name;
            match found.iter_mut().find(|(other, _)| *other == name) {
                Some((_, seen)) => *seen = known.seen.max(*seen),
                None => found.push((name, known.seen)),
            }
        }
        found
    }

    /// All known scrapers, as [`of`](Self::of) returns them.
    pub(super) fn all(&self) -> Vec<(&str, Instant)> {
        self.of(ScraperSet(u64::MAX))
    }

    /// Scrapers that were seen in the last ten minutes and may return. Those without a name count together, by origin.
    pub(super) fn seen_lately(&self, now: Instant) -> ScraperSet {
        let is_late = |it: &Known| now.saturating_duration_since(it.seen) <= LATELY;
        let all = (0_u32..).zip(&self.table);
        let late = all.filter(|(_, known)| !known.is_unnamed() && is_late(known));
        ScraperSet(late.fold(0, |set, (slot, _)| set | bit(slot)))
    }
}

impl ScraperSet {
    #[cfg(planted_faults)]
    pub(super) fn all() -> Self {
        Self(u64::MAX)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, id: ScraperId) -> bool {
        self.0 & bit(id.slot) != 0
    }

    pub(super) fn contains_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Adds a scraper. Returns whether it is new.
    pub(super) fn insert(&mut self, id: ScraperId) -> bool {
        let is_new = !self.contains(id);
        self.0 |= bit(id.slot);
        is_new
    }

    pub(super) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
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

    fn begin() -> (Scrapers, Instant) {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
        let now = Instant::now();
        (Scrapers::default(), now)
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn named(name: u64, origin: &str) -> Scraper {
        Scraper::named(name.to_string(), origin)
    }

    #[test]
    fn the_scraper_that_was_not_seen_for_longest_is_forgotten() {
        let (mut scrapers, start) = begin();
        let all: Vec<Whose> =
            (0..64).map(|nth| scrapers.see(at(start, nth), &named(nth, "x")).0).collect();
        assert_eq!(scrapers.see(at(start, 64), &named(0, "x")).0, all[0], "it is known");
        let (newcomer, forgotten) = scrapers.see(at(start, 65), &named(65, "x"));
        assert!(forgotten.contains(all[1].scraper) && !forgotten.contains(all[0].scraper));
        assert!(!scrapers.is_known(all[1].scraper) && scrapers.is_known(newcomer.scraper));
        assert_ne!(scrapers.see(at(start, 66), &named(1, "x")).0, all[1], "it is another one now");
    }

    #[test]
    fn many_names_from_one_origin_displace_each_other() {
        let (mut scrapers, start) = begin();
        let good: Vec<Whose> =
            (0..2).map(|nth| scrapers.see(start, &named(nth, "good")).0).collect();
        for nth in 10..1000 {
            scrapers.see(at(start, nth), &named(nth, "flood"));
            scrapers.see(at(start, nth), &Scraper::unnamed("other", nth));
        }
        assert!(good.iter().all(|it| scrapers.is_known(it.scraper)));
        assert_eq!(scrapers.table.len(), MAX_SCRAPERS);
    }

    #[test]
    fn connections_without_a_name_have_their_origin_in_common() {
        let (mut scrapers, start) = begin();
        let named = scrapers.see(start, &named(0, "a")).0;
        assert_eq!(named.scraper, named.group);
        let all: Vec<Whose> = (0..20)
            .map(|nth| scrapers.see(at(start, nth), &Scraper::unnamed("a", nth)).0)
            .collect();
        assert!(all.iter().all(|it| it.group == all[0].group && it.scraper != it.group));
        let known = all.iter().filter(|it| scrapers.is_known(it.scraper)).count();
        assert_eq!(known, MAX_UNNAMED);
        let lately = scrapers.seen_lately(at(start, 20));
        assert!(lately.contains(named.group) && lately.contains(all[0].group));
        assert!(!all.iter().any(|it| lately.contains(it.scraper)), "they do not come again");
    }

    #[test]
    fn a_scraper_counts_for_ten_minutes() {
        let (mut scrapers, start) = begin();
        let whose = scrapers.see(start, &named(0, "a")).0;
        assert!(scrapers.seen_lately(start + LATELY).contains(whose.group));
        assert!(scrapers.seen_lately(start + LATELY + Duration::from_secs(1)).is_empty());
    }
}
