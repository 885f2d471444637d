use super::{Target, TargetDefaults, file_sd, toml};
use prometheus_rsocket_runtime::{FileError, read_file, settings};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The longest file of targets, in bytes.
const MAX_LEN: u64 = 8 << 20;

/// A file of targets: Prometheus' JSON of `file_sd` if its name ends in `.json`, else TOML.
#[derive(Clone)]
pub(crate) struct TargetsFile {
    path: PathBuf,
    defaults: Arc<TargetDefaults>,
    /// The contents in use. They may contain confidential headers.
    seen: Arc<Mutex<Option<Zeroizing<Vec<u8>>>>>,
}

impl fmt::Debug for TargetsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TargetsFile").field(&self.path).finish()
    }
}

/// A fault in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Counted from 1, if the fault is in one line.
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

impl From<settings::Fault> for Fault {
    fn from(fault: settings::Fault) -> Self {
        Self { line: Some(fault.line), what: fault.what }
    }
}

/// The error of a file of targets that cannot be used. It shows no secret.
#[derive(Debug)]
pub(crate) struct TargetsError {
    /// The file; `None` if the command line is at fault.
    path: Option<PathBuf>,
    line: Option<usize>,
    what: String,
}

impl fmt::Display for TargetsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
            if let Some(line) = self.line {
                write!(f, ", line {line}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for TargetsError {}

impl TargetsError {
    pub(super) fn of_options(what: String) -> Self {
        Self { path: None, line: None, what }
    }
}

impl TargetsFile {
    pub(crate) fn new(path: PathBuf, defaults: TargetDefaults) -> Self {
        Self { path, defaults: Arc::new(defaults), seen: Arc::default() }
    }

    /// Returns an error about the whole file.
    pub(crate) fn error(&self, what: String) -> TargetsError {
        TargetsError { path: Some(self.path.clone()), line: None, what }
    }

    /// Notes that these contents are in use.
    pub(super) fn is_used(&self, bytes: Zeroizing<Vec<u8>>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    /// Returns whether the file differs from the contents in use. Blocks.
    pub(super) fn is_changed(&self) -> Result<bool, TargetsError> {
        let bytes = self.read()?;
        Ok(*self.seen.lock().unwrap_or_else(PoisonError::into_inner) != Some(bytes))
    }

    /// Reads the file. Blocks.
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, TargetsError> {
        let read = read_file(&self.path, MAX_LEN).map(Zeroizing::new);
        read.map_err(|error: FileError| self.error(error.to_string()))
    }

    /// Returns the targets in the file.
    pub(super) fn parse(&self, bytes: &[u8]) -> Result<Vec<Target>, TargetsError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            TargetsError { line: Some(line), ..self.error("it is not UTF-8".to_owned()) }
        })?;
        let extension = self.path.extension().and_then(|extension| extension.to_str());
        let directory = self.path.parent().unwrap_or_else(|| Path::new(""));
        let parsed = match extension {
            Some("json") => file_sd::parse(text, &self.defaults),
            Some("yml" | "yaml") => {
                return Err(self.error("YAML is not read; TOML is, or JSON of file_sd".to_owned()));
            }
            _ => toml::parse(text, directory, &self.defaults).map_err(Fault::from),
        };
        parsed.map_err(|Fault { line, what }| TargetsError { line, ..self.error(what) })
    }
}
