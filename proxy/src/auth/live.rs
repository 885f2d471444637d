//! A file with credentials that is read again while it is in use.

use prometheus_rsocket_runtime::settings::Fault;
use prometheus_rsocket_runtime::{FileError, read_file};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{error, fmt};
use zeroize::Zeroizing;

/// The longest file with credentials, in bytes.
pub(crate) const MAX_LEN: u64 = 1 << 20;

/// A file, and what was parsed from it.
#[derive(Debug)]
pub(crate) struct LiveFile<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T, Fault>,
    /// SHA-256 of the contents in use, which reveals no secret. Locked for as long as a reload takes.
    digest: Mutex<[u8; 32]>,
    made: Mutex<Arc<T>>,
}

impl<T> LiveFile<T> {
    /// Reads the file, by blocking calls.
    ///
    /// # Errors
    ///
    /// Others may read or write the file, or it cannot be read, is longer than 1 MiB, or is refused by `parse`.
    pub(crate) fn load(
        path: PathBuf,
        parse: fn(&str) -> Result<T, Fault>,
    ) -> Result<Self, AuthFileError> {
        let (digest, text) = read(&path)?;
        let made = parse(&text).map_err(|fault| AuthFileError::fault(&path, fault))?;
        let (digest, made) = (Mutex::new(digest), Mutex::new(Arc::new(made)));
        Ok(Self { path, parse, digest, made })
    }

    /// Reads the file again, and returns whether its contents have changed. On an error, the previous contents stay in use.
    pub(crate) fn reload(&self) -> Result<bool, AuthFileError> {
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, text) = read(&self.path)?;
        if *digest == read {
            return Ok(false);
        }
        let made = (self.parse)(&text).map_err(|fault| AuthFileError::fault(&self.path, fault))?;
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
        *digest = read;
        Ok(true)
    }

    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(path: &Path) -> Result<([u8; 32], Zeroizing<String>), AuthFileError> {
    let error = |kind| AuthFileError { path: path.to_owned(), kind };
    let bytes = read_file(path, MAX_LEN).map_err(|it| error(Kind::Read(it)))?;
    if is_public(path) {
        return Err(error(Kind::Public));
    }
    let digest = Sha256::digest(&bytes).into();
    let text = String::from_utf8(bytes).map_err(|it| {
        let line = 1 + it.as_bytes().iter().filter(|byte| **byte == b'\n').count();
        let valid = it.utf8_error().valid_up_to();
        let line = line.min(1 + it.as_bytes()[..valid].iter().filter(|it| **it == b'\n').count());
        error(Kind::Fault(Fault { line, what: "it is not UTF-8".to_owned() }))
    })?;
    Ok((digest, Zeroizing::new(text)))
}

/// Whether anybody but its owner and its group may read or write a file.
fn is_public(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o006 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// The error of a file with credentials that cannot be used.
#[derive(Debug)]
pub struct AuthFileError {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Read(FileError),
    Public,
    Fault(Fault),
}

impl AuthFileError {
    fn fault(path: &Path, fault: Fault) -> Self {
        Self { path: path.to_owned(), kind: Kind::Fault(fault) }
    }
}

impl fmt::Display for AuthFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::Read(error) => write!(f, "{path}: {error}"),
            Kind::Public => {
                write!(f, "{path}: others may read or write it; chmod o-rw is needed")
            }
            Kind::Fault(Fault { line, what }) => write!(f, "{path}, line {line}: {what}"),
        }
    }
}

impl error::Error for AuthFileError {}
