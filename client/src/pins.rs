//! A file of proxies' keys.

use crate::proxies::Proxies;
use prometheus_rsocket_protocol::envelope::Fingerprint;
use prometheus_rsocket_runtime::{FileError, read_file, write_private};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file with the fingerprint of the first key of each proxy: one line for each, with its URL and 64 hexadecimal digits. The first connection trusts
/// whoever answers at the proxy's address. To accept another key of a proxy, remove its line.
///
/// [`ClientBuilder::pin_file`](crate::ClientBuilder::pin_file) opens one. Clones share their content. Only one process may use a file: lines that
/// another process writes would be lost.
#[derive(Clone, Debug)]
pub struct PinFile(Arc<Pinned>);

#[derive(Debug)]
struct Pinned {
    path: PathBuf,
    pins: Mutex<BTreeMap<String, Fingerprint>>,
}

/// The file is malformed, or cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the file of proxies' keys {path}: {reason}")]
pub struct PinFileError {
    path: String,
    reason: String,
}

impl PinFile {
    /// Reads a file of at most 64 KiB; a missing file counts as empty. Blocks.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, PinFileError> {
        let path = path.into();
        match read(&path) {
            Ok(pins) => Ok(Self(Arc::new(Pinned { path, pins: Mutex::new(pins) }))),
            Err(reason) => Err(PinFileError { path: path.display().to_string(), reason }),
        }
    }

    /// Returns the stored keys of these proxies, in their order.
    pub(crate) fn of(&self, proxies: &Proxies) -> Vec<Option<Fingerprint>> {
        let pins = self.0.pins.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.iter().map(|proxy| pins.get(&proxy.to_string()).copied()).collect()
    }

    /// Adds a proxy's key, and rewrites the file. Blocks.
    pub(crate) fn add(&self, proxy: String, pin: Fingerprint) -> Result<(), PinFileError> {
        let mut pins = self.0.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.insert(proxy, pin);
        let lines: String = pins.iter().map(|(proxy, pin)| format!("{proxy} {pin}\n")).collect();
        let path = &self.0.path;
        // Written under the lock, so that an earlier state never overwrites a later one.
        write_private(path, lines.as_bytes()).map_err(|error| PinFileError {
            path: path.display().to_string(),
            reason: error.to_string(),
        })
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Fingerprint>, String> {
    let bytes = match read_file(path, MAX_LEN) {
        Ok(bytes) => bytes,
        Err(FileError::Io(error)) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut pins = BTreeMap::new();
    let lines = text.lines().enumerate().map(|(nth, line)| (nth + 1, line.trim()));
    for (nth, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let pin = line.split_once(' ').map(|(proxy, pin)| (proxy, pin.trim().parse()));
        let Some((proxy, Ok(pin))) = pin else {
            return Err(format!("line {nth} is not a proxy's URL and 64 hexadecimal digits"));
        };
        if pins.insert(proxy.to_owned(), pin).is_some() {
            return Err(format!("line {nth} has the proxy {proxy} for the second time"));
        }
    }
    Ok(pins)
}

/// The longest file, in bytes; enough for some hundreds of proxies.
const MAX_LEN: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("pins-{name}-{}", std::process::id()))
    }

    #[test]
    fn each_proxy_has_its_line_and_others_are_kept() {
        let path = path("lines");
        let mut proxies = Proxies::from("tcp://a:1".parse::<crate::ProxyUrl>().unwrap());
        proxies.push("ws://b:2/x".parse().unwrap());
        let (a, b) = (Fingerprint::of(b"a"), Fingerprint::of(b"b"));
        let file = PinFile::open(&path).unwrap();
        assert_eq!(file.of(&proxies), [None, None]);
        file.add("ws://b:2/x".to_owned(), b).unwrap();
        file.add("tcp://a:1".to_owned(), a).unwrap();
        assert_eq!(PinFile::open(&path).unwrap().of(&proxies), [Some(a), Some(b)]);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("tcp://a:1 {a}\nws://b:2/x {b}\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_file_of_pins_is_refused_with_its_line() {
        let path = path("refused");
        let pin = Fingerprint::of(b"a");
        let long = "#".repeat(MAX_LEN as usize + 1);
        for (text, reason) in [
            (format!("# a comment\n\ntcp://a:1 {pin}0\n"), "line 3 is not"),
            ("tcp://a:1\n".to_owned(), "line 1 is not"),
            (format!("tcp://a:1 {pin}\ntcp://a:1 {pin}\n"), "line 2 has the proxy tcp://a:1"),
            (long, "longer than 65536 bytes"),
        ] {
            fs::write(&path, text).unwrap();
            let error = PinFile::open(&path).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("pins-refused"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        assert!(
            PinFile::open(std::env::temp_dir())
                .unwrap_err()
                .to_string()
                .contains("not a regular file")
        );
    }
}
