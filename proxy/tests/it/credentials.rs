//! Credentials for tests.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file with credentials, in a directory of its own.
pub(crate) struct AuthFile(PathBuf);

impl AuthFile {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("admission-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = Self(dir.join("auth"));
        file.write(text);
        file
    }

    /// Changes it at once, as a reader that comes in between must not see half of it.
    pub(crate) fn write(&self, text: &str) {
        let new = self.0.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn option(&self, name: &str) -> String {
        format!("--{name}={}", self.0.display())
    }
}

impl Drop for AuthFile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

/// SHA-256 of `orders-token` and of `billing-token`.
pub(crate) const ORDERS: &str = "09dc72c7e34679dca4f27b58144a13c8c100a058c3f2aabbc6d0513634808f24";
pub(crate) const BILLING: &str = "a351b85dde0cfbe62345dd4f3e362b0e61535e7df62a2f0e1f1615240b0b54fd";

pub(crate) fn entry(name: &str, proof: &str, more: &str) -> String {
    format!(
        "[[application]]\nname = \"{name}\"\n{proof}\nlabels = {{ application = \"{name}\" }}\n{more}\n"
    )
}

pub(crate) fn token_of(name: &str, hash: &str) -> String {
    entry(name, &format!("token_sha256 = \"{hash}\""), "")
}

/// Nobody has this token, and to find that out takes a while.
pub(crate) const DEAR: &str = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";

/// That of `slow-token`.
pub(crate) const SLOW: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$dml924xp97lN1BFPoRgsktbM9J7RM240TqShhAE7Bhg";
