use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One directory of small files, with the operations that keeping them safe requires. All of them block.
pub trait Disk: Send + Sync + 'static {
    /// Returns the names of all files, and their lengths in bytes.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;

    /// Reads a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Creates a file that only its owner can read, and returns once its bytes are safe. Its name may not be safe until [`sync`](Self::sync).
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Renames a file, in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns once all names are as safe as the files.
    fn sync(&self) -> io::Result<()>;
}

/// A disk that several users share. (It is a type without a lifetime: futures that hold a bare `dyn Disk` are not known to be `Send`.)
#[derive(Clone)]
pub struct SharedDisk(Arc<dyn Disk>);

impl SharedDisk {
    /// Shares a disk.
    pub fn new(disk: impl Disk) -> Self {
        Self(Arc::new(disk))
    }
}

impl Deref for SharedDisk {
    type Target = dyn Disk;

    fn deref(&self) -> &(dyn Disk + 'static) {
        &*self.0
    }
}

impl fmt::Debug for SharedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDisk").finish_non_exhaustive()
    }
}

/// A directory of the file system. No other process uses it as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Locked until it is closed. `None` if nothing can be written there.
    _lock: Option<File>,
}

impl Directory {
    /// Returns the error that [`open`](Self::open) would return for a path, as far as it shows without a change. Another process may use the
    /// directory.
    pub(crate) fn check(path: &Path) -> io::Result<()> {
        let is_dir = |path: &Path| match fs::metadata(path)?.is_dir() {
            true => Ok(()),
            false => Err(io::Error::from(ErrorKind::NotADirectory)),
        };
        match (is_dir(path), path.parent()) {
            (Err(error), Some(parent)) if error.kind() == ErrorKind::NotFound => {
                is_dir(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
            }
            (checked, _) => checked,
        }
    }

    /// Opens a directory, or creates it if its parent exists. A directory that cannot be written to can still be read: that its disk is full or
    /// read-only is noticed when something is to be written.
    ///
    /// # Errors
    ///
    /// The path is not a directory and none can be created, or another process uses it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Err(error) if !path.is_dir() => return Err(error),
            _ => {}
        }
        let file = path.join(LOCK);
        let opened = private().create(true).truncate(false).open(&file);
        let lock = match opened.or_else(|error| File::open(&file).map_err(|_| error)) {
            Ok(lock) => Some(lock),
            Err(error) => {
                let path = path.display();
                tracing::error!(%path, %error, "nothing can be written to --push-dir");
                None
            }
        };
        match lock.as_ref().map_or(Ok(()), File::try_lock) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(ErrorKind::ResourceBusy, "another process uses it"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // Names that are not UTF-8 are not ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name != LOCK && entry.file_type()?.is_file() {
                files.push((name, entry.metadata()?.len()));
            }
        }
        Ok(files)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path.join(name))?.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = private().create_new(true).open(self.path.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        // On other systems, a directory cannot be synced like a file.
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }
}

/// The file whose lock tells other processes that the directory is in use.
const LOCK: &str = ".lock";

/// The longest file that is read, in bytes; longer than any push.
const MAX_FILE: u64 = 256 * 1024 * 1024;

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
