use crate::service::memory::BodyShare;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// The series of one answer, to find those that a second application has as well. The first one wins.
///
/// A series that one application repeats is no collision. Beyond two million no more series are remembered, which bounds the memory
/// at some 40 MB, nor beyond what [all bodies together](BodyShare) may keep; Prometheus itself then keeps the first of two.
#[derive(Debug, Default)]
pub struct Collisions {
    seen: HashSet<u64, BuildHasherDefault<Ready>>,
    /// How many series there is room for, of those that all bodies share.
    room: usize,
    share: Option<BodyShare>,
}

impl Collisions {
    /// Series that are remembered as far as the body's share allows.
    pub(crate) fn within(share: BodyShare) -> Self {
        Self { share: Some(share), ..Self::default() }
    }

    fn has_room(&mut self) -> bool {
        let len = self.seen.len();
        if len >= MAX_SERIES {
            return false;
        }
        if let Some(share) = &self.share
            && len >= self.room
        {
            let more = (self.room / 2).max(STEP);
            if !share.grow(more * SERIES_BYTES) {
                return false;
            }
            self.room += more;
        }
        true
    }

    /// Takes the fingerprints of an application's samples, and returns the indexes of those to be left out, in ascending order.
    pub fn add(&mut self, fingerprints: &[u64]) -> Vec<u32> {
        let is_first = self.seen.is_empty();
        let mut known = Vec::new();
        // One look at the table for each series: it is far larger than a processor's caches.
        for (index, fingerprint) in (0_u32..).zip(fingerprints) {
            let is_new = match self.has_room() {
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

/// Removes from `known` the indexes of series that the answer itself brought before.
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

/// The most series that are remembered.
const MAX_SERIES: usize = 2_000_000;

/// Series for which room is taken at a time, at least.
const STEP: usize = 1024;

/// About how many bytes a series takes.
const SERIES_BYTES: usize = 20;

/// Fingerprints are keyed hashes already.
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
    fn all_bodies_together_have_a_bound() {
        let memory = BodyMemory::new(2 * STEP * SERIES_BYTES);
        let other = memory.share();
        assert!(other.grow(STEP * SERIES_BYTES));
        let mut collisions = Collisions::within(memory.share());
        let many: Vec<u64> = (0..3 * STEP as u64).collect();
        assert!(collisions.add(&many).is_empty());
        assert_eq!(collisions.seen.len(), STEP);
        assert_eq!(collisions.add(&[5, STEP as u64 + 5]), [0]);
        drop(other);
        assert!(collisions.add(&[STEP as u64 + 5]).is_empty());
        assert_eq!(collisions.seen.len(), STEP + 1, "there is room again");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut collisions = Collisions::default();
        let many: Vec<u64> = (0..MAX_SERIES as u64 + 10).collect();
        assert!(collisions.add(&many).is_empty());
        assert_eq!(collisions.seen.len(), MAX_SERIES);
        assert_eq!(collisions.add(&[5, MAX_SERIES as u64 + 5]), [0]);
    }
}
