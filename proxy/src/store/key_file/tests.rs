use super::*;
use crate::store::keys::Backend;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

/// A directory. Dropping this removes it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("key-file-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn openssl(args: &[&str], path: &Path) {
    let done = Command::new("openssl").args(args).arg(path).output().expect("openssl is there");
    assert!(done.status.success(), "{done:?}");
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
}

#[test]
fn a_key_that_is_made_is_private_and_can_be_read_again_also_by_openssl() {
    let folder = Folder::new("made");
    let path = folder.0.join("key.pem");
    assert!(read(&path).unwrap().is_none());
    let made = Backend::Rust.generate_at(&path, 2048, [1; 32]).unwrap();
    assert_eq!(mode(&path), 0o600);
    let left: Vec<_> = fs::read_dir(&folder.0).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    openssl(&["pkey", "-check", "-noout", "-in"], &path);
    let again = Backend::Rust.load_at(&path, read(&path).unwrap().unwrap()).unwrap();
    assert_eq!((again.fingerprint, again.bits), (made.fingerprint, 2048));
    #[cfg(feature = "openssl")]
    {
        let other = Backend::OpenSsl.load_at(&path, read(&path).unwrap().unwrap()).unwrap();
        assert_eq!(other.fingerprint, made.fingerprint);
    }
}

#[test]
fn keys_of_openssl_are_read() {
    let folder = Folder::new("openssl");
    let path = folder.0.join("key.pem");
    for bits in ["2048", "3072"] {
        let size = format!("rsa_keygen_bits:{bits}");
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &size, "-out"], &path);
        let key = Backend::Rust.load_at(&path, read(&path).unwrap().unwrap()).unwrap();
        assert_eq!(key.bits.to_string(), bits);
    }
    openssl(&["genrsa", "-traditional", "-out"], &path);
    assert!(fs::read_to_string(&path).unwrap().contains("BEGIN RSA PRIVATE KEY"));
    Backend::Rust.load_at(&path, read(&path).unwrap().unwrap()).unwrap();
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out"], &path);
    let error = Backend::Rust.load_at(&path, read(&path).unwrap().unwrap()).err().unwrap();
    assert!(error.to_string().contains("1024 bits; 2048 is the least"), "{error}");
}

#[test]
fn what_cannot_be_a_secret_key_is_refused_with_the_reason() {
    let folder = Folder::new("refused");
    let path = folder.0.join("key.pem");
    Backend::Rust.generate_at(&path, 2048, [1; 32]).unwrap();
    let refused = |path: &Path, reason: &str| {
        let error = read(path).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains(&*path.to_string_lossy()), "{error}");
    };
    for open in [0o644, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        refused(&path, &format!("(mode {open:04o}); `chmod 600`"));
    }
    refused(&folder.0, "it is not a file");
    let looping = folder.0.join("loop");
    symlink(&looping, &looping).unwrap();
    refused(&looping, "symbolic links");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, vec![b'x'; PrivateKeyFile::MAX_LEN + 1]).unwrap();
    refused(&path, "longer than 16384 bytes");
    fs::write(&path, "no key").unwrap();
    refused(&path, "PEM");
}

#[test]
fn a_key_replaces_another_in_one_step_and_the_old_one_can_be_removed_twice() {
    let folder = Folder::new("replaced");
    let path = folder.0.join("key.pem");
    let first = Backend::Rust.generate_at(&path, 2048, [1; 32]).unwrap();
    write(&old_path(&path), first.file.as_ref().unwrap()).unwrap();
    // An earlier crash has left half a file.
    fs::write(path.with_extension("pem.unfinished"), "half").unwrap();
    let second = Backend::Rust.generate_at(&path, 2048, [2; 32]).unwrap();
    let load = |path: &Path| Backend::Rust.load_at(path, read(path).unwrap().unwrap()).unwrap();
    assert_eq!(load(&path).fingerprint, second.fingerprint);
    assert_eq!(load(&old_path(&path)).fingerprint, first.fingerprint);
    assert_eq!((mode(&path), mode(&old_path(&path))), (0o600, 0o600));
    remove_old(&path).unwrap();
    remove_old(&path).unwrap();
    assert!(read(&old_path(&path)).unwrap().is_none());
    let nowhere = write(Path::new("/nowhere/key.pem"), first.file.as_ref().unwrap()).unwrap_err();
    assert!(nowhere.to_string().contains("/nowhere/key.pem"), "{nowhere}");
}

#[test]
fn the_group_may_read_a_file_of_root_and_nobody_else_may() {
    for (mode, owner, open) in [
        (0o600, 1000, false),
        (0o640, 1000, true),
        (0o440, 0, false),
        (0o640, 0, false),
        (0o660, 0, true),
        (0o650, 0, true),
        (0o644, 0, true),
    ] {
        assert_eq!(is_open(mode, owner), open, "{mode:04o} of {owner}");
    }
}
