use super::ConnectionId;
use crate::Labels;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Where an application's identity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentitySource {
    /// None: only the number of its connection is known. Such an application is new each time that it connects.
    Connection,
    /// Its credentials, which the embedder has checked: a token or a client certificate.
    Credentials,
    /// The [hello](crate::hello) in its SETUP.
    Hello,
    /// Labels with one constant value in its text, learnt at a scrape.
    Text,
}

impl IdentitySource {
    /// Returns the name for logs and the status page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Credentials => "credentials",
            Self::Hello => "hello",
            Self::Text => "text",
        }
    }

    /// Whether no other application can claim the identity.
    pub(super) fn is_proven(self) -> bool {
        self == Self::Credentials
    }
}

/// Returns the path of an application with these labels: one segment of a URL, of `[A-Za-z0-9._~-]`.
///
/// The path depends only on the labels, so it is the same after a restart and on another proxy. `{instance="a"}` is `a`,
/// `{application="orders", instance="a"}` is `orders~a`. Paths of other labels, or of values that are too long or have other
/// characters than `[A-Za-z0-9._-]`, end in `~~` and the first [`HASH_BYTES`] bytes of a SHA-256 over the labels, in hex. Two
/// identities have the same path only if these bytes collide.
pub(super) fn path_of(labels: &Labels) -> String {
    let mut is_exact = is_plain(labels);
    let mut path = String::new();
    for (_, value) in labels.iter() {
        if !path.is_empty() {
            path.push('~');
        }
        let mut chars = value.chars();
        for char in chars.by_ref().take(MAX_VALUE) {
            let is_allowed = char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
            is_exact &= is_allowed;
            path.push(if is_allowed { char } else { '-' });
        }
        is_exact &= chars.next().is_none();
    }
    // What clients and servers resolve as directories, or what looks like the path of a connection.
    let is_special = path.bytes().all(|byte| byte == b'.') || path.starts_with(CONNECTION);
    if is_special || !is_exact {
        path.truncate(path.floor_char_boundary(MAX_PATH));
        path.push_str("~~");
        push_hash(&mut path, labels);
    }
    path
}

/// Returns the path of an application without identity.
pub(super) fn path_of_connection(connection: ConnectionId) -> String {
    format!("{CONNECTION}{connection}")
}

/// Returns the path of the nth live application with one identity; `nth` is at least 2.
pub(super) fn path_of_duplicate(path: &str, nth: usize) -> String {
    format!("{path}~~{nth}")
}

/// Whether the path needs no names of labels.
fn is_plain(labels: &Labels) -> bool {
    let has = |name| labels.get(name).is_some();
    match labels.len() {
        1 => has("instance"),
        2 => has("application") && has("instance"),
        _ => false,
    }
}

fn push_hash(path: &mut String, labels: &Labels) {
    let mut hasher = Sha256::new();
    for (name, value) in labels.iter() {
        // The lengths keep the parts apart.
        hasher.update((name.len() as u64).to_be_bytes());
        hasher.update(name);
        hasher.update((value.len() as u64).to_be_bytes());
        hasher.update(value);
    }
    for byte in hasher.finalize().iter().take(HASH_BYTES) {
        // Writing to a String does not fail.
        let _ = write!(path, "{byte:02x}");
    }
}

const CONNECTION: &str = "connection-";
/// The maximum length of a part of a path that comes from one value.
const MAX_VALUE: usize = 64;
/// The maximum length of a path without its hash.
const MAX_PATH: usize = 128;
/// 48 bits: among 10,000 applications, the chance that two share a hash is 2 in 10 million; the later one then gets a number as well.
const HASH_BYTES: usize = 6;
