use crate::{Runtime, timeout};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Why a configuration file cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// The system returned an error.
    Io(io::Error),
    /// It is not a regular file; this names its kind. Reading it might block forever or never end.
    Kind(&'static str),
    /// It is longer than the limit.
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// Reading it took longer than 5 seconds.
    TooSlow,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Kind(kind) => write!(f, "it is {kind}, not a regular file"),
            Self::TooLong { limit } => write!(f, "it is longer than {limit} bytes"),
            Self::TooSlow => write!(f, "reading it took longer than {TIME_MAX:?}"),
        }
    }
}

impl std::error::Error for FileError {}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How long reading one file may take. Checked between reads: a read that the system does not return from, as for a file on a
/// server that is gone, cannot be interrupted.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Reads a regular file of at most `limit` bytes, by blocking calls. Links are followed. Use it for every configuration file of
/// a program: a FIFO, a device or an endless file in its place is an error, and does not block.
///
/// # Errors
///
/// The file cannot be read, is not a regular file, is longer than `limit`, or takes longer than 5 seconds.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    // Opening alone has an effect on some devices, and fails for sockets with an unhelpful error.
    check_kind(&fs::metadata(path)?)?;
    let file = open(path)?;
    // It may have been replaced meanwhile.
    check_kind(&file.metadata()?)?;
    read_within(file, limit, TIME_MAX)
}

#[expect(clippy::disallowed_methods, reason = "it blocks, so no virtual clock goes on meanwhile")]
fn read_within(file: impl Read, limit: u64, time: Duration) -> Result<Vec<u8>, FileError> {
    let started = Instant::now();
    let mut bytes = Vec::new();
    let mut file = file.take(limit.saturating_add(1));
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(len) => bytes.extend_from_slice(chunk.split_at(len).0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if bytes.len() as u64 > limit {
            return Err(FileError::TooLong { limit });
        }
        if started.elapsed() > time {
            return Err(FileError::TooSlow);
        }
    }
}

/// Opens a file for reading, without waiting for a writer if it is a FIFO.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

fn check_kind(metadata: &Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(FileError::Kind("a directory"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Err(FileError::Kind("a FIFO"));
        }
        if kind.is_socket() {
            return Err(FileError::Kind("a socket"));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(FileError::Kind("a device"));
        }
    }
    Err(FileError::Kind("something else"))
}

/// Writes a file that only its owner may read, by blocking calls. Afterwards the file has either its whole new content or its
/// previous one, even after a crash. The name of an unfinished file ends in `.unfinished`.
///
/// # Errors
///
/// The file cannot be written, synced or moved into place.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut unfinished = OsString::from(path);
    unfinished.push(".unfinished");
    // A crash may have left it behind.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        let here = directory.as_os_str().is_empty();
        File::open(if here { Path::new(".") } else { directory })?.sync_all()?;
    }
    Ok(())
}

/// Calls `reload`, such as `ServerTls::reload` of the feature `tls`, forever, with pauses of `every` (at least 1 ms), on a
/// thread that may block.
///
/// Calls `on` with every change: `Ok(true)` if a new version is in use; an error, once and not with every attempt, which leaves
/// everything as it is; or `Ok(false)` if an error went away because the files have their previous content again.
pub async fn watch<R, E>(
    runtime: R,
    reload: impl Fn() -> Result<bool, E> + Clone + Send + 'static,
    every: Duration,
    on: impl FnMut(Result<bool, E>),
) where
    R: Runtime,
    E: ToString + Send + 'static,
{
    watch_when(runtime, reload, every, std::future::pending, on).await;
}

/// Like [`watch`], but also calls `reload` immediately whenever a future of `asked` resolves. The next future is made before
/// `reload` is called, so one that resolves meanwhile causes another call.
pub async fn watch_when<R, E, A>(
    runtime: R,
    reload: impl Fn() -> Result<bool, E> + Clone + Send + 'static,
    every: Duration,
    asked: impl Fn() -> A,
    mut on: impl FnMut(Result<bool, E>),
) where
    R: Runtime,
    E: ToString + Send + 'static,
    A: Future<Output = ()>,
{
    let every = every.max(Duration::from_millis(1));
    let mut told = None;
    let mut next_asked = asked();
    loop {
        match runtime.now().checked_add(every) {
            Some(next) => drop(timeout(&runtime, next, next_asked).await),
            None => next_asked.await,
        }
        next_asked = asked();
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

#[cfg(test)]
mod tests;
