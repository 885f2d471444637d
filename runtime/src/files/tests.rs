use super::*;
use std::path::PathBuf;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("files-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refused(path: &Path) -> String {
    read_file(path, 1 << 20).unwrap_err().to_string()
}

#[test]
fn a_regular_file_is_read_up_to_the_limit() {
    let folder = Folder::new("limit");
    let file = folder.join("file");
    fs::write(&file, vec![b'x'; 1 << 20]).unwrap();
    assert_eq!(read_file(&file, 1 << 20).unwrap().len(), 1 << 20);
    fs::write(&file, vec![b'x'; 2 << 20]).unwrap();
    assert_eq!(refused(&file), "it is longer than 1048576 bytes");
    fs::write(&file, "").unwrap();
    assert_eq!(read_file(&file, 0).unwrap(), b"");
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let folder = Folder::new("kinds");
    assert_eq!(refused(&folder.0), "it is a directory, not a regular file");
    assert!(matches!(read_file(&folder.join("none"), 9), Err(FileError::Io(_))));
    #[cfg(unix)]
    {
        use std::os::unix::{fs::symlink, net::UnixListener};
        let (fifo, socket, link) =
            (folder.join("fifo"), folder.join("socket"), folder.join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(refused(&fifo), "it is a FIFO, not a regular file");
        symlink(&fifo, &link).unwrap();
        assert_eq!(refused(&link), "it is a FIFO, not a regular file");
        // Nor would it block if the FIFO appeared between checking and opening.
        open(&fifo).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(refused(&socket), "it is a socket, not a regular file");
        for device in ["/dev/zero", "/dev/null", "/dev/stdin"] {
            assert!(refused(Path::new(device)).ends_with("not a regular file"), "{device}");
        }
    }
}

#[test]
fn what_takes_too_long_is_given_up() {
    let slow = io::repeat(b'x');
    let read = read_within(slow, u64::MAX - 1, Duration::ZERO);
    assert!(matches!(read, Err(FileError::TooSlow)), "{read:?}");
}
