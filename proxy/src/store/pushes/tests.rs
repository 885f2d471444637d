use super::{Limits, PushName, PushStore};
use crate::store::disk::{Directory, Disk, SharedDisk};
use bytes::Bytes;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::collector::PushRecord;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const NOW: u64 = 1_700_000_000_000;
const ALL: Limits = Limits { pushes: 100, bytes: 1 << 20 };

fn push(number: u64) -> (PushName, PushRecord) {
    let record = PushRecord {
        labels: Labels::new([("instance", number.to_string())]).unwrap(),
        is_said: true,
        is_proven: false,
        digest: [number as u8; 32],
        block: Bytes::from_static(&[0]),
    };
    (PushName { expires_at: NOW + 1000 + number, number }, record)
}

fn encoded(numbers: impl IntoIterator<Item = u64>) -> Vec<(PushName, Bytes)> {
    numbers
        .into_iter()
        .map(push)
        .map(|(name, record)| (name, record.encode(name.expires_at)))
        .collect()
}

/// A disk that loses what was not synced when its power is cut, and fails when it is told to.
#[derive(Clone, Default)]
struct Fragile(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    names: BTreeMap<String, Vec<u8>>,
    safe: BTreeMap<String, Vec<u8>>,
    room: Option<usize>,
    sync_fails: bool,
}

impl Fragile {
    /// Cuts the power and restores it. What was not synced survives if `keeps_unsynced` is true.
    fn cut(&self, keeps_unsynced: bool) {
        let mut state = self.0.lock().unwrap();
        if !keeps_unsynced {
            state.names = state.safe.clone();
        }
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().names.keys().cloned().collect()
    }
}

impl Disk for Fragile {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let state = self.0.lock().unwrap();
        Ok(state.names.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.0.lock().unwrap().names.get(name).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let fits = state.room.is_none_or(|room| bytes.len() <= room);
        let written = if fits { bytes } else { &bytes[..bytes.len() / 2] };
        state.names.insert(name.to_owned(), written.to_vec());
        if fits { Ok(()) } else { Err(ErrorKind::StorageFull.into()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let bytes = state.names.remove(from).ok_or(ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.0.lock().unwrap().names.remove(name);
        removed.map(|_| ()).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.sync_fails {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        state.safe = state.names.clone();
        Ok(())
    }
}

fn open(disk: &Fragile, now: u64, limits: Limits) -> (PushStore, super::Left) {
    PushStore::open(SharedDisk::new(disk.clone()), now, limits).unwrap()
}

#[test]
fn what_was_written_without_an_error_is_there_after_a_power_cut() {
    let disk = Fragile::default();
    let (store, left) = open(&disk, NOW, ALL);
    assert!(left.pushes.is_empty());
    assert!(store.write(&encoded([2, 1])).iter().all(Result::is_ok));
    disk.cut(false);
    let (_, left) = open(&disk, NOW, ALL);
    assert_eq!(left.pushes, [push(1), push(2)], "in the order of their ends");
}

#[test]
fn of_what_cannot_be_written_nothing_is_left() {
    let disk = Fragile::default();
    let (store, _) = open(&disk, NOW, ALL);
    assert!(store.write(&encoded([1])).iter().all(Result::is_ok));
    disk.0.lock().unwrap().room = Some(10);
    let full = store.write(&encoded([2]));
    assert_eq!(full[0].as_ref().unwrap_err().kind(), ErrorKind::StorageFull);
    disk.0.lock().unwrap().room = None;
    disk.0.lock().unwrap().sync_fails = true;
    let unsynced = store.write(&encoded([3, 4]));
    assert!(unsynced.iter().all(Result::is_err));
    assert_eq!(disk.names(), [push(1).0.to_string()]);
}

#[test]
fn a_push_that_was_being_written_is_forgotten_and_one_that_is_torn_put_aside() {
    let disk = Fragile::default();
    let (torn, record) = push(1);
    let bytes = record.encode(torn.expires_at);
    disk.create(&format!("{torn}.unfinished"), &bytes[..9]).unwrap();
    disk.create(&torn.to_string(), &bytes[..bytes.len() - 1]).unwrap();
    disk.create("notes.txt", b"not ours").unwrap();
    disk.sync().unwrap();
    disk.cut(true);
    let (_, left) = open(&disk, NOW, ALL);
    assert!(left.pushes.is_empty());
    assert_eq!(disk.names(), [format!("{torn}.aside"), "notes.txt".to_owned()]);
    let (_, left) = open(&disk, NOW, ALL);
    assert!(left.pushes.is_empty());
}

#[test]
fn pushes_that_are_over_are_removed_and_those_beyond_the_limits_left() {
    let disk = Fragile::default();
    let (store, _) = open(&disk, NOW, ALL);
    assert!(store.write(&encoded(1..=5)).iter().all(Result::is_ok));
    let limits = Limits { pushes: 2, ..ALL };
    let (store, left) = open(&disk, push(2).0.expires_at, limits);
    assert_eq!(left.pushes, [push(3), push(4)]);
    assert_eq!((left.expired, left.over_limit), (2, 1));
    store.remove(&[push(3).0, push(3).0]);
    let len = push(5).1.encode(0).len();
    let (_, left) = open(&disk, NOW, Limits { bytes: len, ..ALL });
    assert_eq!(left.pushes, [push(4)]);
    assert_eq!(left.over_limit, 1);
}

#[test]
fn names_are_read_as_they_are_written() {
    let name = PushName { expires_at: 1, number: u64::MAX };
    assert_eq!(PushName::parse(&name.to_string()), Some(name));
    for other in ["", ".push", "1-2.push", "x-y.push", "0000000000000001-+00000000000000f.push"] {
        assert_eq!(PushName::parse(other), None, "{other}");
    }
}

/// A directory for one test. Dropping this removes it.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_directory_is_made_locked_and_private() {
    let temporary = Temporary::new("prometheus-rsocket-pushes");
    let directory = Directory::open(&temporary.0).unwrap();
    let busy = Directory::open(&temporary.0).unwrap_err();
    assert_eq!(busy.to_string(), "another process uses it");
    let (store, _) = PushStore::open(SharedDisk::new(directory), NOW, ALL).unwrap();
    assert!(store.write(&encoded([1])).iter().all(Result::is_ok));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let file = temporary.0.join(push(1).0.to_string());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(temporary.0.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    drop(store);
    let directory = Directory::open(&temporary.0).unwrap();
    let (store, left) = PushStore::open(SharedDisk::new(directory), NOW, ALL).unwrap();
    assert_eq!(left.pushes, [push(1)]);
    store.remove(&[push(1).0]);
    assert!(store.disk.list().unwrap().is_empty());
}

#[test]
fn a_directory_that_cannot_be_made_says_why() {
    let missing = Temporary::new("prometheus-rsocket-missing").0.join("parent").join("pushes");
    assert_eq!(Directory::open(&missing).unwrap_err().kind(), ErrorKind::NotFound);
}
