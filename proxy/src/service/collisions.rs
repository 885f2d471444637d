use crate::service::memory::{BodyMemory, BodyPart};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// The series of one answer, to find those that a second application has as well. The first application wins.
///
/// A series that one application repeats is not a collision. No more series are remembered beyond two million, or beyond what there is memory for.
/// Prometheus itself then keeps the first of two.
#[derive(Debug, Default)]
pub struct Collisions {
    seen: HashSet<u64, BuildHasherDefault<Ready>>,
    /// For how many series memory is taken.
    share: Option<Share>,
}

#[derive(Debug)]
struct Share {
    memory: Arc<BodyMemory>,
    part: BodyPart,
    series: usize,
}

impl Collisions {
    /// Remembers series as long as there is memory for them. Reserves room for as many as the last body had, since a table that grows is filled
    /// twice.
    pub(crate) fn within(memory: &Arc<BodyMemory>) -> Self {
        let share = Share { memory: Arc::clone(memory), part: memory.part(), series: 0 };
        let mut collisions = Self::default();
        collisions.share = Some(share);
        let expected = memory.expected_series();
        if expected > 0 && collisions.room(expected) >= expected {
            collisions.seen.reserve(expected);
        }
        collisions
    }

    /// Returns how many series may be remembered if `coming` more arrive.
    fn room(&mut self, coming: usize) -> usize {
        let Some(share) = &mut self.share else { return MAX_SERIES };
        let wanted = (self.seen.len() + coming).min(MAX_SERIES);
        while share.series < wanted && share.part.grow(STEP * SERIES_BYTES) {
            share.series += STEP;
        }
        share.series.min(MAX_SERIES)
    }

    /// Adds the fingerprints of an application's samples. Returns the indexes of those to be left out, in ascending order.
    pub fn add(&mut self, fingerprints: &[u64]) -> Vec<u32> {
        let (is_first, room) = (self.seen.is_empty(), self.room(fingerprints.len()));
        let mut known = Vec::new();
        // One look-up for each series: the table is far larger than a processor's caches.
        for (index, fingerprint) in (0_u32..).zip(fingerprints) {
            let is_new = match self.seen.len() < room {
                true => self.seen.insert(*fingerprint),
                false => !self.seen.contains(fingerprint),
            };
            if !is_new {
                known.push(index);
            }
        }
        if is_first {
            known.clear();
        }
        if !known.is_empty() {
            leave_repeated(&mut known, fingerprints);
        }
        known
    }
}

impl Drop for Collisions {
    fn drop(&mut self) {
        if let Some(share) = &self.share {
            share.memory.note_series(self.seen.len());
        }
    }
}

/// Removes from `known` the indexes of series that only this application repeats.
fn leave_repeated(known: &mut Vec<u32>, fingerprints: &[u64]) {
    let mut own = HashSet::<u64, BuildHasherDefault<Ready>>::default();
    let mut next = known.iter().peekable();
    for (index, fingerprint) in (0_u32..).zip(fingerprints) {
        if next.next_if(|known| **known == index).is_none() {
            own.insert(*fingerprint);
        }
    }
    known.retain(|index| fingerprints.get(*index as usize).is_some_and(|f| !own.contains(f)));
}

/// Series for which memory is taken at a time.
const STEP: usize = 16 * 1024;

/// The bytes that a series takes in the table, which doubles whenever it is full.
const SERIES_BYTES: usize = 20;

/// The most series that are remembered.
const MAX_SERIES: usize = 2_000_000;

/// Fingerprints are keyed hashes already, so they are not hashed again.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

#[cfg(test)]
mod tests {
    use super::{Collisions, MAX_SERIES, SERIES_BYTES, STEP};
    use crate::service::memory::BodyMemory;

    #[test]
    fn the_first_application_with_a_series_wins() {
        let mut collisions = Collisions::default();
        assert!(
            collisions.add(&[1, 2, 2, 3]).is_empty(),
            "an application does not collide with itself"
        );
        assert_eq!(collisions.add(&[9, 2, 4, 3, 2]), [1, 3, 4]);
        assert_eq!(collisions.add(&[4, 5]), [0]);
        assert_eq!(collisions.add(&[6, 6, 5, 6, 5]), [2, 4], "its own repetition stays beside one");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut collisions = Collisions::default();
        let many: Vec<u64> = (0..MAX_SERIES as u64 + 10).collect();
        assert!(collisions.add(&many).is_empty());
        assert_eq!(collisions.seen.len(), MAX_SERIES);
        assert_eq!(collisions.add(&[5, MAX_SERIES as u64 + 5]), [0]);
    }

    #[test]
    fn as_many_series_as_the_last_time_have_their_room_at_once_if_there_is_memory() {
        let memory = BodyMemory::new(2 * STEP * SERIES_BYTES);
        let many: Vec<u64> = (0..STEP as u64 + 1).collect();
        let mut first = Collisions::within(&memory);
        assert_eq!(first.seen.capacity(), 0);
        assert!(first.add(&many).is_empty());
        assert_eq!(first.add(&many[STEP..]), [0], "the last of them is remembered");
        drop(first);
        let (second, third) = (Collisions::within(&memory), Collisions::within(&memory));
        assert!(second.seen.capacity() >= many.len());
        assert_eq!(third.seen.capacity(), 0, "the second has all memory");
    }
}
