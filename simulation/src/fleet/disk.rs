//! A proxy's disk in memory. It survives the process, and loses what was not synced when its machine loses power.

use bytes::Bytes;
use fastrand::Rng;
use prometheus_rsocket_proxy::Disk;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether proxies keep pushes on disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disks {
    /// They do not.
    None,
    /// On disks that keep their promises.
    Safe,
    /// On disks that report everything as safe when nothing is.
    Lying,
}

/// One proxy's disk.
#[derive(Clone)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

struct State {
    /// The files as the system shows them.
    files: Files,
    /// The files that survive a loss of power in any case.
    safe: Files,
    /// The operations since then, in order.
    unsafe_: Vec<Op>,
    is_full: bool,
    lies: bool,
    rng: Rng,
}

type Files = BTreeMap<String, Bytes>;

#[derive(Clone, Debug)]
enum Op {
    Create(String, Bytes),
    Remove(String),
    Rename(String, String),
}

impl SimDisk {
    pub(super) fn new(disks: Disks, rng: Rng) -> Option<Self> {
        let (files, safe, unsafe_) = Default::default();
        let lies = disks == Disks::Lying;
        let state = State { files, safe, unsafe_, is_full: false, lies, rng };
        (disks != Disks::None).then(|| Self(Arc::new(Mutex::new(state))))
    }

    /// Loses some of what was not synced, and tears what was being written.
    pub(super) fn lose_power(&self) {
        let mut guard = self.lock();
        let State { files, safe, unsafe_, rng, .. } = &mut *guard;
        // File systems keep the order of operations on names.
        let kept = rng.usize(..=unsafe_.len());
        unsafe_.drain(..).take(kept).for_each(|op| apply(safe, op));
        if let Some((name, bytes)) = rng.choice(safe.iter()) {
            let torn = bytes.slice(..rng.usize(..=bytes.len()));
            let name = format!("{name}.unfinished");
            safe.insert(name, torn);
        }
        files.clone_from(safe);
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, op: Op) {
        let mut state = self.lock();
        apply(&mut state.files, op.clone());
        state.unsafe_.push(op);
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let len = |(name, bytes): (&String, &Bytes)| (name.clone(), bytes.len() as u64);
        Ok(self.lock().files.iter().map(len).collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let bytes = self.lock().files.get(name).map(|bytes| bytes.to_vec());
        bytes.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (is_full, room) = {
            let mut state = self.lock();
            if state.files.contains_key(name) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            (state.is_full, state.rng.usize(..=bytes.len()))
        };
        let taken = if is_full { &bytes[..room] } else { bytes };
        self.act(Op::Create(name.to_owned(), Bytes::copy_from_slice(taken)));
        if is_full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if !self.lock().files.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        self.act(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.lock().files.contains_key(name) {
            return Err(ErrorKind::NotFound.into());
        }
        self.act(Op::Remove(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut guard = self.lock();
        let State { safe, unsafe_, lies, .. } = &mut *guard;
        if *lies {
            unsafe_.clear();
        }
        unsafe_.drain(..).for_each(|op| apply(safe, op));
        Ok(())
    }
}

fn apply(files: &mut Files, op: Op) {
    match op {
        Op::Create(name, bytes) => drop(files.insert(name, bytes)),
        Op::Remove(name) => drop(files.remove(&name)),
        Op::Rename(from, to) => {
            if let Some(bytes) = files.remove(&from) {
                files.insert(to, bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(disk: &SimDisk) -> Vec<String> {
        disk.list().unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_was_synced_survives_and_nothing_else_has_to() {
        let (mut survived, mut torn) = (0, 0);
        for seed in 0..50 {
            let disk = SimDisk::new(Disks::Safe, Rng::with_seed(seed)).unwrap();
            disk.create("a.new", b"abc").unwrap();
            disk.rename("a.new", "a").unwrap();
            disk.sync().unwrap();
            disk.create("b", b"abc").unwrap();
            disk.remove("a").unwrap();
            assert_eq!(names(&disk), ["b"]);
            disk.lose_power();
            survived += usize::from(names(&disk).contains(&"a".to_owned()));
            torn += usize::from(names(&disk).iter().any(|name| name.ends_with(".unfinished")));
        }
        assert!((5..45).contains(&survived), "{survived} of 50");
        assert!(torn > 0);
        let disk = SimDisk::new(Disks::Lying, Rng::with_seed(1)).unwrap();
        disk.create("a", b"abc").unwrap();
        disk.sync().unwrap();
        assert_eq!(disk.read("a").unwrap(), b"abc");
        disk.lose_power();
        assert_eq!(names(&disk), [""; 0]);
    }

    #[test]
    fn a_full_disk_takes_a_part_and_says_so() {
        let disk = SimDisk::new(Disks::Safe, Rng::with_seed(1)).unwrap();
        disk.set_full(true);
        let error = disk.create("a", &[7; 1000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(disk.read("a").unwrap().len() < 1000);
        disk.set_full(false);
        assert_eq!(disk.create("a", b"abc").unwrap_err().kind(), ErrorKind::AlreadyExists);
        disk.create("b", b"abc").unwrap();
        assert_eq!(disk.rename("c", "d").unwrap_err().kind(), ErrorKind::NotFound);
    }
}
