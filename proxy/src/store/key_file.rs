//! The proxy's key in a file. All functions block.

use prometheus_rsocket_protocol::envelope::PrivateKeyFile;
use prometheus_rsocket_runtime::write_private;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::{error, fmt};

/// The error of a file that contains no usable key, or cannot be written.
#[derive(Debug)]
pub struct KeyFileError {
    path: PathBuf,
    reason: String,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the key file {}: {}", self.path.display(), self.reason)
    }
}

impl error::Error for KeyFileError {}

impl KeyFileError {
    pub(crate) fn new(path: &Path, reason: &dyn fmt::Display) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// Returns the path at which the key before the current one is kept until nobody needs it.
pub(crate) fn old_path(path: &Path) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(".old");
    path.into()
}

/// Reads a key; `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<PrivateKeyFile>, KeyFileError> {
    match read_bytes(path) {
        Ok(pem) => match PrivateKeyFile::from_pem(&pem) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(KeyFileError::new(path, &error)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KeyFileError::new(path, &error)),
    }
}

fn read_bytes(path: &Path) -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
    // Before opening, which would wait for a writer of a FIFO.
    check(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    check(&file.metadata()?)?;
    let len = PrivateKeyFile::MAX_LEN;
    // Allocated in full from the start: a buffer that grows leaves copies behind.
    let mut pem = zeroize::Zeroizing::new(Vec::with_capacity(2 * len));
    file.take(len as u64 + 1).read_to_end(&mut pem)?;
    Ok(pem)
}

fn check(metadata: &fs::Metadata) -> io::Result<()> {
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if is_open(mode, std::os::unix::fs::MetadataExt::uid(metadata)) {
            return Err(io::Error::other(format!(
                "others than its owner may use it (mode {mode:04o}); `chmod 600` changes that"
            )));
        }
    }
    Ok(())
}

/// Whether others may use a file with this mode and owner. The group may read a file of root's, as Kubernetes mounts secrets for a pod with an
/// `fsGroup`.
#[cfg(unix)]
fn is_open(mode: u32, owner: u32) -> bool {
    let allowed = if owner == 0 { 0o040 } else { 0 };
    mode & 0o077 & !allowed != 0
}

/// Writes a key so that the file has either the whole key or its previous contents, also after a crash.
pub(crate) fn write(path: &Path, key: &PrivateKeyFile) -> Result<(), KeyFileError> {
    let failed = |error: &dyn fmt::Display| KeyFileError::new(path, error);
    let pem = key.to_pem().map_err(|error| failed(&error))?;
    write_private(path, pem.as_bytes()).map_err(|error| failed(&error))
}

/// Removes the key before the current one.
pub(crate) fn remove_old(path: &Path) -> Result<(), KeyFileError> {
    let old = old_path(path);
    match fs::remove_file(&old) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(KeyFileError::new(&old, &error)),
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests;
