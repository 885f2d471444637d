use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// The series of one answer, to find those that a second application has as well. The first one wins.
///
/// A series that one application repeats is no collision. Beyond two million no more series are remembered, which bounds the memory
/// at some 40 MB; Prometheus itself then keeps the first of two.
#[derive(Debug, Default)]
pub struct Collisions {
    seen: HashSet<u64, BuildHasherDefault<Ready>>,
}

impl Collisions {
    /// Takes the fingerprints of an application's samples, and returns the indexes of those to be left out, in ascending order.
    pub fn add(&mut self, fingerprints: &[u64]) -> Vec<u32> {
        let is_first = self.seen.is_empty();
        let mut known = Vec::new();
        // One look at the table for each series: it is far larger than a processor's caches.
        for (index, fingerprint) in (0_u32..).zip(fingerprints) {
            let is_new = match self.seen.len() < MAX_SERIES {
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
    use super::{Collisions, MAX_SERIES};

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
}
