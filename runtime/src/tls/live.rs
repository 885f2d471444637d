use super::error::TlsError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files that a configuration is made from.
pub(super) trait Source {
    /// The contents of the files.
    type Contents: PartialEq;
    /// What is made from them.
    type Made;

    fn read(&self) -> Result<Self::Contents, TlsError>;
    fn make(&self, contents: &Self::Contents) -> Result<Self::Made, TlsError>;
}

/// A configuration that can be replaced while it is in use.
pub(super) struct Live<S: Source> {
    source: S,
    /// The contents that the current configuration was made from. Compared by bytes, since times and inodes of files say little about links that
    /// are swapped, as Kubernetes does with secrets. Locked during a reload, so that reloads run one after another.
    contents: Mutex<S::Contents>,
    made: Mutex<Arc<S::Made>>,
}

impl<S: Source> Live<S> {
    pub(super) fn load(source: S) -> Result<Self, TlsError> {
        let contents = source.read()?;
        let made = Mutex::new(Arc::new(source.make(&contents)?));
        Ok(Self { source, contents: Mutex::new(contents), made })
    }

    /// Reads the files again. Returns whether anything changed. On an error everything stays as it is.
    pub(super) fn reload(&self) -> Result<bool, TlsError> {
        let mut contents = lock(&self.contents);
        let read = self.source.read()?;
        if *contents == read {
            return Ok(false);
        }
        let made = Arc::new(self.source.make(&read)?);
        *contents = read;
        *lock(&self.made) = made;
        Ok(true)
    }

    pub(super) fn current(&self) -> Arc<S::Made> {
        Arc::clone(&lock(&self.made))
    }

    pub(super) fn source(&self) -> &S {
        &self.source
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
