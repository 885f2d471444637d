use super::error::TlsError;
use crate::{Runtime, sleep_until};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Files that a configuration is made of.
pub(super) trait Source {
    /// What is in the files.
    type Contents: PartialEq;
    /// What is made of it.
    type Made;

    fn read(&self) -> Result<Self::Contents, TlsError>;
    fn make(&self, contents: &Self::Contents) -> Result<Self::Made, TlsError>;
}

/// A configuration that can be made anew while it is in use.
pub(super) struct Live<S: Source> {
    source: S,
    /// What the configuration in use was made of. The bytes, since times and inodes of files tell little about links
    /// that are swapped, as Kubernetes does with secrets. Locked for as long as a reload takes, so that they come one
    /// after another.
    contents: Mutex<S::Contents>,
    made: Mutex<Arc<S::Made>>,
}

impl<S: Source> Live<S> {
    pub(super) fn load(source: S) -> Result<Self, TlsError> {
        let contents = source.read()?;
        let made = Mutex::new(Arc::new(source.make(&contents)?));
        Ok(Self { source, contents: Mutex::new(contents), made })
    }

    /// Says whether anything changed. Where that is of no use, everything stays as it is.
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

/// Calls `reload`, such as [`ServerTls::reload`](super::ServerTls::reload), with pauses of `every` (at least 1 ms) for
/// ever, each time where it may block.
///
/// `on` is called with what is news: that something changed and is in use now; an error, which leaves things as they
/// are, once and not with every attempt; or `Ok(false)` where such an error went away because the files are again what
/// they were.
pub async fn watch<R, E>(
    runtime: R,
    reload: impl Fn() -> Result<bool, E> + Clone + Send + 'static,
    every: Duration,
    mut on: impl FnMut(Result<bool, E>),
) where
    R: Runtime,
    E: ToString + Send + 'static,
{
    let every = every.max(Duration::from_millis(1));
    let mut told = None;
    loop {
        let Some(next) = runtime.now().checked_add(every) else {
            return std::future::pending().await;
        };
        sleep_until(&runtime, next).await;
        let outcome = match runtime.unblock(reload.clone()).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, "files were not looked at");
                continue;
            }
        };
        let error = outcome.as_ref().err().map(ToString::to_string);
        if error != told || matches!(outcome, Ok(true)) {
            told = error;
            on(outcome);
        }
    }
}
