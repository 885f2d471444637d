//! `--http-auth-file`: the users and scrapers that may see metrics and pages.
//!
//! ```yaml
//! # As in the web configuration of Prometheus: names, and bcrypt hashes of passwords.
//! basic_auth_users:
//!   prometheus: $2y$10$…
//! # Not known to Prometheus: names, for the reader, and SHA-256 of tokens, in hexadecimal digits.
//! bearer_tokens_sha256:
//!   grafana: 9f86d0…
//! ```

use super::failures::Failures;
use super::live::LiveFile;
use super::sha256;
use async_channel::{Receiver, Sender};
use bcrypt::HashParts;
use data_encoding::BASE64;
use http::{HeaderMap, header};
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_runtime::settings::Fault;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// The contents of a file.
#[derive(Debug)]
pub(crate) struct Scrapers {
    users: BTreeMap<String, String>,
    tokens: Vec<[u8; 32]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    basic_auth_users: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    bearer_tokens_sha256: BTreeMap<String, Spanned<String>>,
    tls_server_config: Option<Spanned<IgnoredAny>>,
    http_server_config: Option<Spanned<IgnoredAny>>,
}

impl Scrapers {
    /// Reads a file.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            // Only the first line: the others would show the file. The first one quotes no value.
            let what = error.without_snippet().to_string();
            fault(line, what.lines().next().unwrap_or_default())
        })?;
        let foreign = [
            (
                "tls_server_config",
                "TLS is configured by --http-tls-cert and its like",
                file.tls_server_config,
            ),
            ("http_server_config", "it has no counterpart here", file.http_server_config),
        ];
        for (key, why, value) in foreign {
            if let Some(value) = value {
                return Err(fault(value.referenced.line(), format!("{key} is not used: {why}")));
            }
        }
        for (name, hash) in &file.basic_auth_users {
            let parts: Result<HashParts, _> = hash.value.parse();
            let is_bad = parts.as_ref().map_or(true, |parts| parts.get_cost() > MAX_COST);
            if name.is_empty() || name.contains(':') || is_bad {
                let what = format!(
                    "basic_auth_users: {name:?} must have a bcrypt hash of a cost of at most {MAX_COST}, and no colon in its name"
                );
                return Err(fault(hash.referenced.line(), what));
            }
        }
        let mut tokens = Vec::new();
        for (name, hash) in &file.bearer_tokens_sha256 {
            let what = format!(
                "bearer_tokens_sha256: {name:?} must have the SHA-256 of a token, 64 hexadecimal digits"
            );
            tokens.push(sha256(&hash.value).ok_or_else(|| fault(hash.referenced.line(), what))?);
        }
        let users = file.basic_auth_users.into_iter().map(|(name, hash)| (name, hash.value));
        let users: BTreeMap<String, String> = users.collect();
        if users.is_empty() && tokens.is_empty() {
            return Err(fault(1, "there is nobody in basic_auth_users or bearer_tokens_sha256"));
        }
        Ok(Self { users, tokens })
    }

    fn knows_token(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let found = self.tokens.iter().fold(Choice::from(0), |found, it| found | it.ct_eq(&hash));
        found.into()
    }

    /// Checks a password, which takes a tenth of a second or more, away from the event loop. It takes as long for an unknown name.
    fn knows_user(&self, name: &str, password: &str) -> bool {
        let hash = self.users.get(name);
        let Some(any) = hash.or_else(|| self.users.values().next()) else { return false };
        bcrypt::verify(password, any).unwrap_or(false) && hash.is_some()
    }
}

fn fault(line: u64, what: impl Into<String>) -> Fault {
    Fault { line: usize::try_from(line).unwrap_or(0), what: what.into() }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It presents no credentials, or wrong ones.
    Unauthorized,
    /// Its address has presented wrong ones too often.
    Throttled,
}

/// Checks the credentials of requests.
#[derive(Debug)]
pub(crate) struct ScraperGate {
    file: Arc<LiveFile<Scrapers>>,
    failures: Failures,
    /// Credentials that were right before.
    verified: Mutex<Verified>,
    /// The secret key of their hashes.
    key: Zeroizing<[u8; 32]>,
    /// One for each password that may be checked at the same time.
    permits: (Sender<()>, Receiver<()>),
}

/// Hashes of credentials that are right by one version of the file.
#[derive(Debug, Default)]
struct Verified {
    of: Option<Arc<Scrapers>>,
    known: BTreeSet<[u8; 32]>,
}

impl ScraperGate {
    /// `key` must be secret and fresh.
    pub(crate) fn new(file: Arc<LiveFile<Scrapers>>, key: [u8; 32]) -> Self {
        let permits = async_channel::bounded(AT_ONCE);
        for _ in 0..AT_ONCE {
            // The channel has room for all of them.
            let _ = permits.0.try_send(());
        }
        let (failures, verified) = Default::default();
        Self { file, failures, verified, key: Zeroizing::new(key), permits }
    }

    pub(crate) fn file(&self) -> &Arc<LiveFile<Scrapers>> {
        &self.file
    }

    /// Checks the credentials of one request. Credentials that were right before cost one hash. Others are refused unchecked if their address has
    /// failed too often.
    pub(crate) async fn check<R: Runtime>(
        &self,
        runtime: &R,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<(), Refused> {
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            return Err(Refused::Unauthorized);
        };
        let scrapers = self.file.current();
        let hash: [u8; 32] =
            Sha256::new().chain_update(*self.key).chain_update(shown).finalize().into();
        if self.verified(&scrapers, |known| known.contains(&hash)) {
            return Ok(());
        }
        let (now, peer) = (runtime.now(), peer.to_string());
        if self.failures.are_too_many(now, &peer) {
            return Err(Refused::Throttled);
        }
        match Shown::read(shown.as_bytes()) {
            Some(Shown::Token(token)) if scrapers.knows_token(&token) => Ok(()),
            Some(Shown::User { name, password }) if !scrapers.users.is_empty() => {
                let Some(_permit) = self.permit().await else { return Err(Refused::Throttled) };
                // Others from its address may have failed while it waited.
                if self.failures.are_too_many(runtime.now(), &peer) {
                    return Err(Refused::Throttled);
                }
                let of = Arc::clone(&scrapers);
                let look = move || of.knows_user(&name, &password);
                if !runtime.unblock(look).await.unwrap_or(false) {
                    return Err(self.fail(runtime.now(), &peer));
                }
                self.verified(&scrapers, |known| {
                    if known.len() >= MAX_VERIFIED {
                        known.clear();
                    }
                    known.insert(hash)
                });
                Ok(())
            }
            _ => Err(self.fail(now, &peer)),
        }
    }

    fn fail(&self, now: Instant, peer: &str) -> Refused {
        self.failures.add(now, peer);
        Refused::Unauthorized
    }

    fn verified<T>(&self, of: &Arc<Scrapers>, act: impl FnOnce(&mut BTreeSet<[u8; 32]>) -> T) -> T {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !verified.of.as_ref().is_some_and(|known| Arc::ptr_eq(known, of)) {
            *verified = Verified { of: Some(Arc::clone(of)), known: BTreeSet::new() };
        }
        act(&mut verified.known)
    }

    async fn permit(&self) -> Option<Permit<'_>> {
        self.permits.1.recv().await.ok()?;
        Some(Permit(&self.permits.0))
    }
}

struct Permit<'a>(&'a Sender<()>);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // The channel has room, since the permit came from it.
        let _ = self.0.try_send(());
    }
}

enum Shown {
    User { name: String, password: Zeroizing<String> },
    Token(Zeroizing<String>),
}

impl Shown {
    fn read(header: &[u8]) -> Option<Self> {
        let (scheme, rest) = std::str::from_utf8(header).ok()?.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Token(Zeroizing::new(rest.to_owned())));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = Zeroizing::new(BASE64.decode(rest.as_bytes()).ok()?);
        let (name, password) = std::str::from_utf8(&text).ok()?.split_once(':')?;
        Some(Self::User { name: name.to_owned(), password: Zeroizing::new(password.to_owned()) })
    }
}

/// The highest cost of a password's hash. At this cost a check takes more than a second.
const MAX_COST: u32 = 14;
/// Passwords that are checked at the same time.
const AT_ONCE: usize = 2;
/// Credentials that are remembered as right. Beyond this number, all are checked anew.
const MAX_VERIFIED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    // Of "secret", with a cost of 4.
    fn hash() -> String {
        bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap().to_string()
    }

    #[test]
    fn the_form_is_that_of_prometheus() {
        let text = format!("basic_auth_users:\n  prom: {}\n  other: \"{}\"\n", hash(), hash());
        let scrapers = Scrapers::parse(&text).unwrap();
        assert!(scrapers.knows_user("prom", "secret") && scrapers.knows_user("other", "secret"));
        assert!(!scrapers.knows_user("prom", "Secret") && !scrapers.knows_user("none", "secret"));
        let token: String = Sha256::digest("t").iter().map(|it| format!("{it:02x}")).collect();
        let scrapers = Scrapers::parse(&format!("bearer_tokens_sha256:\n  a: {token}\n")).unwrap();
        assert!(scrapers.knows_token("t") && !scrapers.knows_token("u"));
        assert!(!scrapers.knows_user("", ""));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let dear = hash().replace("$04$", "$15$");
        for (text, line, part) in [
            ("basic_auth_users:\n  a: x\n".to_owned(), 2, "\"a\" must have a bcrypt hash"),
            (format!("basic_auth_users:\n  a: {dear}\n"), 2, "at most 14"),
            (format!("basic_auth_users:\n  \"a:b\": {}\n", hash()), 2, "no colon"),
            ("\nbearer_tokens_sha256:\n  a: 00\n".to_owned(), 3, "64 hexadecimal digits"),
            ("tls_server_config:\n  cert_file: a\n".to_owned(), 2, "--http-tls-cert"),
            ("basic_auth_user:\n  a: b\n".to_owned(), 1, "basic_auth_user"),
            ("basic_auth_users: {}\n".to_owned(), 1, "nobody"),
            (format!("basic_auth_users: {dear}\n"), 1, "expected mapping"),
            ("a: [\n".to_owned(), 1, ""),
        ] {
            let fault = Scrapers::parse(&text).expect_err(&text);
            assert!(fault.what.contains(part), "{text:?}: {fault:?}");
            assert!(fault.line == line || part.is_empty(), "{text:?}: {fault:?}");
            assert!(!fault.what.contains(&dear), "{fault:?}");
        }
    }

    #[test]
    fn headers_are_read() {
        let user = |header: &[u8]| match Shown::read(header) {
            Some(Shown::User { name, password }) => Some(format!("{name} {}", *password)),
            Some(Shown::Token(token)) => Some(token.to_string()),
            None => None,
        };
        assert_eq!(user(b"Basic cHJvbTpzZTpjcmV0").as_deref(), Some("prom se:cret"));
        assert_eq!(user(b"bearer  abc").as_deref(), Some("abc"));
        for bad in [&b"Basic"[..], b"Basic %", b"Basic cHJvbQ==", b"Digest x", b"\xff \xff", b""] {
            assert_eq!(user(bad), None);
        }
    }
}
