//! Room for pushes: which held pushes give way, and in which order.

use super::push::{Held, PushId};
use super::scrapers::ScraperSet;
use super::{App, AppId, Collector, PushError, PushEviction, PushShare};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Pushes that give way, the first one first, as of a moment ago. Finding them takes a pass over all pushes, so it is not done for each new one.
#[derive(Debug, Default)]
pub(super) struct Yielding {
    queue: VecDeque<(PushEviction, PushId)>,
    found: Option<Instant>,
}

/// How long a [`Yielding`] is used.
const A_MOMENT: Duration = Duration::from_secs(1);

impl Collector {
    /// Makes room for more pushes. Pushes that some scraper has received give way, but none is dropped unless that suffices.
    /// Those in `spared` are about to be replaced: they count as dropped, and stay where they are.
    pub(super) fn make_room(
        &mut self,
        now: Instant,
        count: usize,
        bytes: usize,
        spared: &[PushId],
    ) -> Result<(), PushError> {
        let (limit, byte_limit) = (self.config.max_pushes, self.config.max_push_bytes);
        let spare = spared.iter().filter_map(|id| self.pushes.get(*id));
        let (mut firm, mut spare_count, mut spare_bytes) = (self.pushes.firm(), 0, 0);
        for held in spare {
            let len = held.answer.block.len();
            (spare_count, spare_bytes) = (spare_count + 1, spare_bytes + len);
            if held.had.is_empty() {
                firm = (firm.0 - 1, firm.1 - len);
            }
        }
        if firm.0 + count > limit {
            return Err(PushError::TooMany { limit });
        }
        if firm.1.saturating_add(bytes) > byte_limit {
            return Err(PushError::TooLarge { limit: byte_limit });
        }
        let is_full = |this: &Self| {
            this.pushes.len().saturating_add(count) > limit.saturating_add(spare_count)
                || this.pushes.bytes().saturating_add(bytes)
                    > byte_limit.saturating_add(spare_bytes)
        };
        while is_full(self)
            && let Some((cause, id)) = self.next_yielding(now, spared)
        {
            self.evict_push(id, cause);
        }
        Ok(())
    }

    fn next_yielding(&mut self, now: Instant, spared: &[PushId]) -> Option<(PushEviction, PushId)> {
        let lately = self.scrapers.seen_lately(now);
        if self.yielding.found.is_none_or(|found| now >= found + A_MOMENT) {
            self.yielding.queue.clear();
        }
        let mut may_look = true;
        loop {
            while let Some((cause, id)) = self.yielding.queue.pop_front() {
                let held = self.pushes.get(id).filter(|_| !spared.contains(&id));
                if held.and_then(|held| self.gives_way(held, lately)) == Some(cause) {
                    return Some((cause, id));
                }
            }
            if !may_look {
                return None;
            }
            may_look = false;
            let all = self.pushes.iter().filter(|(id, _)| !spared.contains(id));
            let all = all.filter_map(|(id, held)| Some((self.gives_way(held, lately)?, id)));
            let mut all: Vec<(PushEviction, PushId)> = all.collect();
            all.sort_unstable();
            self.yielding = Yielding { queue: all.into(), found: Some(now) };
        }
    }

    /// Why a push would give way to a new one; `None` if no scraper has received it.
    fn gives_way(&self, held: &Held, lately: ScraperSet) -> Option<PushEviction> {
        if held.had.is_empty() {
            return None;
        }
        let lives_on = || self.registry.get(held.app).is_some_and(App::lives_on);
        Some(match () {
            () if held.had.contains_all(lately) => PushEviction::Delivered,
            () if lives_on() => PushEviction::LivesOn,
            () => PushEviction::PartlyDelivered,
        })
    }

    /// Makes room in an application's share in the same way, among its own pushes.
    pub(super) fn make_share(
        &mut self,
        now: Instant,
        app: AppId,
        count: usize,
        bytes: usize,
        spared: &[PushId],
    ) -> Result<(), PushShare> {
        let (limit, byte_limit) = (self.config.max_app_pushes, self.config.max_app_push_bytes);
        let opening = self.pushes.opening_share(app).1;
        let share = |this: &Self, is: fn(&Held) -> bool| {
            let kept = this.pushes.of(app).filter(|(id, held)| !spared.contains(id) && is(held));
            kept.fold((count, bytes.saturating_add(opening)), |(count, bytes), (_, held)| {
                (count + 1, bytes.saturating_add(held.answer.block.len()))
            })
        };
        let firm = share(self, |held| held.had.is_empty());
        if firm.0 > limit && count > 0 {
            return Err(PushShare::Held { limit });
        }
        if firm.1 > byte_limit {
            return Err(PushShare::Bytes { limit: byte_limit });
        }
        let lately = self.scrapers.seen_lately(now);
        let own = self.pushes.of(app).filter(|(id, _)| !spared.contains(id));
        let own = own.filter_map(|(id, held)| Some((self.gives_way(held, lately)?, id)));
        let mut own: Vec<(PushEviction, PushId)> = own.collect();
        own.sort_unstable();
        for (cause, id) in own {
            let all = share(self, |_| true);
            if (all.0 <= limit || count == 0) && all.1 <= byte_limit {
                break;
            }
            self.evict_push(id, cause);
        }
        Ok(())
    }
}
