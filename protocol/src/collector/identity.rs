use super::ConnectionId;
use crate::Labels;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Where an application's identity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentitySource {
    /// Nothing else is known: the number of its connection. Such an application is a new one each time that it connects.
    Connection,
    /// Its credentials, which the embedder has checked: a token, or a certificate of a client.
    Credentials,
    /// The [hello](crate::hello) in its SETUP.
    Hello,
    /// Labels with one constant value in its text, learnt at a scrape.
    Text,
}

impl IdentitySource {
    /// Returns the name that logs and the status page show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Credentials => "credentials",
            Self::Hello => "hello",
            Self::Text => "text",
        }
    }

    /// Whether nobody else can have said it.
    pub(super) fn is_proven(self) -> bool {
        self == Self::Credentials
    }
}

/// Returns the path of an application with these labels: one segment of a URL, of `[A-Za-z0-9._~-]`.
///
/// It is a function of the labels alone, so it is the same after a restart and on another proxy, and no two identities share
/// one. `{instance="a"}` is `a`, `{application="orders", instance="a"}` is `orders~a`. Identities with other labels, or
/// with values that cannot stand in a path as they are, end in `~~` and the beginning of a SHA-256 over the labels.
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
    // What clients and servers resolve as directories, and what is the path of a connection.
    let is_special = path.bytes().all(|byte| byte == b'.') || path.starts_with(CONNECTION);
    if is_special || !is_exact {
        path.truncate(path.floor_char_boundary(MAX_PATH));
        path.push_str("~~");
        push_hash(&mut path, labels);
    }
    path
}

/// Returns the path of an application of which nothing but its connection is known.
pub(super) fn path_of_connection(connection: ConnectionId) -> String {
    format!("{CONNECTION}{connection}")
}

/// Returns the path of the nth live application of one identity; `nth` is at least 2.
pub(super) fn path_of_duplicate(path: &str, nth: usize) -> String {
    format!("{path}~~{nth}")
}

/// Whether the names of the labels can be left out of the path.
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
/// The longest part of a path that comes from one value.
const MAX_VALUE: usize = 64;
/// The longest path, without its hash.
const MAX_PATH: usize = 128;
/// 48 bits: with 10,000 applications, the chance that two share them is 2 in 10 million, and then the later one gets a
/// number as well.
const HASH_BYTES: usize = 6;
