use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// File descriptors that are held open, so that one listener can still accept connections after the process has run out of descriptors.
///
/// [`Reserve::spend`] closes one of them, and the next accepted connection takes its number. [`Reserve::refill`] opens them again as soon as
/// descriptors are available.
#[derive(Debug)]
pub(crate) struct Reserve {
    size: usize,
    /// At most `size`.
    files: Mutex<Vec<File>>,
}

impl Reserve {
    /// Opens `size` descriptors, or as many as the system allows.
    pub(crate) fn new(size: usize) -> Self {
        let reserve = Self { size, files: Mutex::default() };
        reserve.refill();
        reserve
    }

    /// Closes one of the descriptors. Returns `false` if none is left.
    pub(crate) fn spend(&self) -> bool {
        self.lock().pop().is_some()
    }

    /// Opens as many descriptors as are missing. Those that cannot be opened stay missing.
    pub(crate) fn refill(&self) {
        let mut files = self.lock();
        while files.len() < self.size
            && let Ok(file) = File::open(NULL)
        {
            files.push(file);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that every process can open.
const NULL: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// Whether a connection could not be accepted because the process, or the whole system, has no descriptor left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    // ENFILE and EMFILE, on all Unix systems; std has no kind for them.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// Whether accepting failed because of the one connection that would have been accepted, so that the next one may already be waiting.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::{Reserve, is_of_one_connection, is_out_of_descriptors};
    use std::io;

    #[test]
    fn a_reserve_is_spent_and_refilled() {
        let reserve = Reserve::new(2);
        assert!(reserve.spend() && reserve.spend());
        assert!(!reserve.spend());
        reserve.refill();
        reserve.refill();
        assert!(reserve.spend() && reserve.spend());
        assert!(!reserve.spend(), "it holds more than its size");
    }

    #[test]
    fn an_empty_reserve_has_nothing_to_spend() {
        let reserve = Reserve::new(0);
        reserve.refill();
        assert!(!reserve.spend());
    }

    #[cfg(unix)]
    #[test]
    fn errors_of_accepting_are_told_apart() {
        let error = io::Error::from_raw_os_error;
        assert!(is_out_of_descriptors(&error(24)) && is_out_of_descriptors(&error(23)));
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert!(is_of_one_connection(&aborted) && !is_out_of_descriptors(&aborted));
        assert!(!is_of_one_connection(&error(24)));
    }
}
