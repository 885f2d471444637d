//! Pushes on disk: one file each, which gets its name only once all of it is safe.

#[cfg(test)]
mod tests;

use crate::store::disk::SharedDisk;
use bytes::Bytes;
use prometheus_rsocket_protocol::collector::PushRecord;
use std::fmt;
use std::io;

/// The held pushes of one proxy, on a [`Disk`](crate::Disk). All methods block.
pub(crate) struct PushStore {
    disk: SharedDisk,
}

/// The name of a push on disk. Names sort in the order in which pushes expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PushName {
    /// When the push expires, in milliseconds since 1970.
    pub(crate) expires_at: u64,
    /// Distinguishes pushes that expire at the same time.
    pub(crate) number: u64,
}

impl fmt::Display for PushName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}{PUSH}", self.expires_at, self.number)
    }
}

impl PushName {
    fn parse(name: &str) -> Option<Self> {
        let (expires_at, number) = name.strip_suffix(PUSH)?.split_once('-')?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let parsed = Self { expires_at: hex(expires_at)?, number: hex(number)? };
        // Written differently, the file would not be found again.
        (parsed.to_string() == name).then_some(parsed)
    }
}

/// What an earlier process has left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Pushes that have not expired, in the order in which they will.
    pub(crate) pushes: Vec<(PushName, PushRecord)>,
    /// Pushes beyond the limits. They stay where they are.
    pub(crate) over_limit: usize,
    /// Expired pushes, which were removed.
    pub(crate) expired: usize,
}

/// Limits on reading what was left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) pushes: usize,
    pub(crate) bytes: usize,
}

impl PushStore {
    /// Reads what an earlier process has left. `now` is the time of day, in milliseconds since 1970. A file that is not a push of this version is
    /// logged, and kept under another name.
    pub(crate) fn open(disk: SharedDisk, now: u64, limits: Limits) -> io::Result<(Self, Left)> {
        let store = Self { disk };
        let mut left = Left::default();
        let mut names = Vec::new();
        for (name, len) in store.disk.list()? {
            if let Some(push) = PushName::parse(&name) {
                names.push((push, len));
            } else if name.ends_with(UNFINISHED) {
                // Nobody was told that it is stored.
                store.remove_file(&name);
            } else if !name.ends_with(ASIDE) {
                let file = name.escape_debug().to_string();
                tracing::warn!(file, "--push-dir holds a file that is no push; it is left alone");
            }
        }
        names.sort_unstable();
        let mut bytes = 0_u64;
        for (name, len) in names {
            if name.expires_at <= now {
                store.remove_file(&name.to_string());
                left.expired += 1;
            } else if left.pushes.len() >= limits.pushes || bytes + len > limits.bytes as u64 {
                left.over_limit += 1;
            } else if let Some(record) = store.load(name) {
                bytes += len;
                left.pushes.push((name, record));
            }
        }
        Ok((store, left))
    }

    /// Reads one push, or puts it aside.
    fn load(&self, name: PushName) -> Option<PushRecord> {
        let read = self.disk.read(&name.to_string()).map_err(|error| error.to_string());
        match read.and_then(|bytes| PushRecord::decode(&bytes).map_err(|error| error.to_string())) {
            Ok((_, record)) => Some(record),
            Err(error) => {
                self.put_aside(name, &error);
                None
            }
        }
    }

    /// Renames a push that cannot be used, so that it is kept.
    pub(crate) fn put_aside(&self, name: PushName, error: &dyn fmt::Display) {
        let file = name.to_string();
        tracing::warn!(file, %error, "a push in --push-dir cannot be read, and is kept aside");
        if let Err(error) = self.disk.rename(&file, &format!("{file}{ASIDE}")) {
            tracing::debug!(file, %error, "a push cannot be renamed");
        }
    }

    /// Removes a file. One that cannot be removed is found again after a restart, until it expires.
    fn remove_file(&self, name: &str) {
        if let Err(error) = self.disk.remove(name) {
            tracing::debug!(name, %error, "a push cannot be removed");
        }
    }

    /// Writes pushes. Those without an error are safe once this returns; nothing is left of the others.
    pub(crate) fn write(&self, batch: &[(PushName, Bytes)]) -> Vec<io::Result<()>> {
        let mut results: Vec<io::Result<()>> =
            batch.iter().map(|(name, bytes)| self.write_one(*name, bytes)).collect();
        // One sync for all, as this takes longest.
        if results.iter().any(Result::is_ok)
            && let Err(error) = self.disk.sync()
        {
            for ((name, _), result) in batch.iter().zip(&mut results) {
                if result.is_ok() {
                    let _ = self.disk.remove(&name.to_string());
                    *result = Err(io::Error::new(error.kind(), error.to_string()));
                }
            }
        }
        results
    }

    fn write_one(&self, name: PushName, bytes: &[u8]) -> io::Result<()> {
        let (file, unfinished) = (name.to_string(), format!("{name}{UNFINISHED}"));
        let written = self
            .disk
            .create(&unfinished, bytes)
            .and_then(|()| self.disk.rename(&unfinished, &file));
        if written.is_err() {
            let _ = self.disk.remove(&unfinished);
        }
        written
    }

    /// Removes pushes that are no longer needed.
    pub(crate) fn remove(&self, names: &[PushName]) {
        names.iter().for_each(|name| self.remove_file(&name.to_string()));
    }
}

const PUSH: &str = ".push";

/// The suffix of files that are being written.
const UNFINISHED: &str = ".unfinished";

/// The suffix of files that could not be read.
const ASIDE: &str = ".aside";
