//! `--auth-file`: the applications that may connect, their credentials, and what each may declare.
//!
//! ```toml
//! [[application]]
//! name = "orders"                                  # for the log
//! token_sha256 = "9f86d0…"                         # or token_argon2id = "$argon2id$…"; each may be a list
//! certificate = ["CN=orders,O=Example", "dns:orders.example"]   # a subject, or dns:, uri: or email: and an alternative name
//! labels = { application = "orders" }              # the identity that it gives
//! may_set = ["instance"]                           # what the hello may add; all if this is missing
//! transports = ["tls", "wss"]                      # of tcp, tls, ws, wss; all if this is missing
//! ```

use super::sha256;
use argon2::password_hash::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier};
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::collector::{Grant, GrantId, Peer, Transport};
use prometheus_rsocket_protocol::token::Token;
use prometheus_rsocket_runtime::settings::{Fault, TomlText};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use subtle::{ConditionallySelectable, ConstantTimeEq};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The contents of a file.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    known: Vec<Known>,
    tokens: Vec<([u8; 32], u32)>,
    slow: Vec<(String, usize)>,
    certificates: BTreeMap<String, usize>,
}

/// One piece of credentials, and what it grants.
#[derive(Debug)]
struct Known {
    grant: Grant,
    transports: Option<BTreeSet<&'static str>>,
}

/// The result of looking for credentials.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Grant(GrantId),
    /// The credentials are right, but not allowed on this transport.
    OtherTransport(Arc<str>),
}

impl Applications {
    /// Reads a file.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let text = TomlText(text);
        let (mut all, mut names) = (Self::default(), BTreeSet::new());
        for (key, value) in &text.parse()? {
            if key.get_ref() != "application" {
                return Err(text.fault(
                    key.span().start,
                    format!(
                        "{key:?} is not known here; each application is a table [[application]]",
                        key = key.get_ref()
                    ),
                ));
            }
            for (at, table) in text.tables("application", value)? {
                let entry = Entry::read(text, at, table)?;
                if !names.insert(entry.name.clone()) {
                    return Err(text.fault(at, format!("the name {:?} appears twice", entry.name)));
                }
                all.add(text, entry)?;
            }
        }
        Ok(all)
    }

    fn add(&mut self, text: TomlText<'_>, entry: Entry) -> Result<(), Fault> {
        for (at, hash) in &entry.sha256 {
            if self.tokens.iter().any(|(other, _)| other == hash) {
                return Err(text.fault(*at, format!("{}: this token appears twice", entry.name)));
            }
            let index = self.know(&entry, "sha256", hash);
            self.tokens.push((*hash, u32::try_from(index).unwrap_or(NONE)));
        }
        for (at, hash) in &entry.argon2id {
            if self.slow.iter().any(|(other, _)| other == hash) {
                return Err(text.fault(*at, format!("{}: this token appears twice", entry.name)));
            }
            if self.slow.len() >= MAX_SLOW {
                let what = format!(
                    "more than {MAX_SLOW} tokens as argon2id, each of which is tried for each unknown token; use token_sha256 for random tokens"
                );
                return Err(text.fault(*at, what));
            }
            let index = self.know(&entry, "argon2id", hash.as_bytes());
            self.slow.push((hash.clone(), index));
        }
        for (at, name) in &entry.certificates {
            if self.certificates.contains_key(name) {
                let what = format!("{}: the certificate {name:?} appears twice", entry.name);
                return Err(text.fault(*at, what));
            }
            let index = self.know(&entry, "certificate", name.as_bytes());
            self.certificates.insert(name.clone(), index);
        }
        Ok(())
    }

    fn know(&mut self, entry: &Entry, kind: &str, proof: &[u8]) -> usize {
        let id = entry.id(kind, proof);
        let grant = Grant {
            id,
            entry: entry.name.as_str().into(),
            labels: entry.labels.clone(),
            may_set: entry.may_set.clone(),
        };
        self.known.push(Known { grant, transports: entry.transports.clone() });
        self.known.len() - 1
    }

    /// Returns what each piece of credentials grants.
    pub(crate) fn grants(&self) -> Vec<Grant> {
        self.known.iter().map(|known| known.grant.clone()).collect()
    }

    /// Looks for a token among those with a fast hash. Takes the same time wherever it is found, and if it is not found.
    pub(crate) fn by_token(&self, token: &Token, peer: &Peer) -> Option<Found> {
        let hash: [u8; 32] = Sha256::digest(token.expose()).into();
        let mut found = NONE;
        for (known, index) in &self.tokens {
            found.conditional_assign(index, known.ct_eq(&hash));
        }
        self.found(usize::try_from(found).ok()?, peer)
    }

    /// Whether there are tokens with a slow hash.
    pub(crate) fn has_slow(&self) -> bool {
        !self.slow.is_empty()
    }

    /// Looks for a token among those with a slow hash: up to 32 checks, each of which takes a fraction of a second and up to 64 MiB.
    pub(crate) fn by_slow_token(&self, token: &Token, peer: &Peer) -> Option<Found> {
        let argon2 = Argon2::default();
        let is = |hash: &str| {
            PasswordHash::new(hash)
                .is_ok_and(|hash| argon2.verify_password(token.expose().as_bytes(), &hash).is_ok())
        };
        let (_, index) = self.slow.iter().find(|(hash, _)| is(hash))?;
        self.found(*index, peer)
    }

    /// Looks for the certificate that a peer showed: its subject first, then its alternative names in their order.
    pub(crate) fn by_certificate(&self, peer: &Peer) -> Option<Found> {
        let tls = peer.tls.as_ref()?;
        let mut names = tls.subject.iter().chain(&tls.names);
        let index = names.find_map(|name| self.certificates.get(name))?;
        self.found(*index, peer)
    }

    fn found(&self, index: usize, peer: &Peer) -> Option<Found> {
        let Known { grant, transports } = self.known.get(index)?;
        let transport = match (peer.transport, peer.tls.is_some()) {
            (Transport::Tcp, false) => "tcp",
            (Transport::Tcp, true) => "tls",
            (Transport::WebSocket, false) => "ws",
            (Transport::WebSocket, true) => "wss",
        };
        let may = transports.as_ref().is_none_or(|transports| transports.contains(transport));
        Some(if may { Found::Grant(grant.id) } else { Found::OtherTransport(grant.entry.clone()) })
    }
}

/// One table of the file. Values that can prove invalid later keep their position in the file.
#[derive(Default)]
struct Entry {
    name: String,
    sha256: Vec<(usize, [u8; 32])>,
    argon2id: Vec<(usize, String)>,
    certificates: Vec<(usize, String)>,
    labels: Labels,
    may_set: Option<BTreeSet<Box<str>>>,
    transports: Option<BTreeSet<&'static str>>,
}

impl Entry {
    fn read(text: TomlText<'_>, start: usize, table: &DeTable<'_>) -> Result<Self, Fault> {
        let mut entry = Self::default();
        for (key, value) in table {
            entry.set(text, key, value)?;
        }
        if entry.name.is_empty() {
            return Err(text.fault(start, "an application without a name"));
        }
        if entry.sha256.is_empty() && entry.argon2id.is_empty() && entry.certificates.is_empty() {
            let what =
                format!("{}: there is no token_sha256, token_argon2id or certificate", entry.name);
            return Err(text.fault(start, what));
        }
        if let Some(name) = entry.may_set.iter().flatten().find(|it| entry.labels.get(it).is_some())
        {
            let what = format!("{}: {name} is among its labels, so it may not set it", entry.name);
            return Err(text.fault(start, what));
        }
        Ok(entry)
    }

    fn set(
        &mut self,
        text: TomlText<'_>,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), Fault> {
        let at = key.span().start;
        match &**key.get_ref() {
            "name" => self.name = name(text, value)?,
            "token_sha256" => {
                for (at, hash) in strings(text, "token_sha256", value)? {
                    let what =
                        "token_sha256: must be the SHA-256 of a token, 64 hexadecimal digits";
                    let hash = sha256(hash).ok_or_else(|| text.fault(at, what))?;
                    self.sha256.push((at, hash));
                }
            }
            "token_argon2id" => {
                for (at, hash) in strings(text, "token_argon2id", value)? {
                    check_argon2id(hash)
                        .map_err(|what| text.fault(at, format!("token_argon2id: {what}")))?;
                    self.argon2id.push((at, hash.to_owned()));
                }
            }
            "certificate" => {
                for (at, name) in strings(text, "certificate", value)? {
                    check_certificate(name)
                        .map_err(|what| text.fault(at, format!("certificate: {what}")))?;
                    self.certificates.push((at, name.to_owned()));
                }
            }
            "labels" => {
                let pairs = text
                    .table("labels", value)?
                    .iter()
                    .map(|(name, value)| Ok((&**name.get_ref(), text.string("labels", value)?)));
                let pairs: Vec<_> = pairs.collect::<Result<_, Fault>>()?;
                let labels = Labels::new(pairs);
                self.labels = labels.map_err(|error| text.fault(at, format!("labels: {error}")))?;
            }
            "may_set" => {
                let names = strings(text, "may_set", value)?.into_iter().map(|(at, name)| {
                    Labels::new([(name, "x")])
                        .map_err(|error| text.fault(at, format!("may_set: {error}")))?;
                    Ok(name.into())
                });
                self.may_set = Some(names.collect::<Result<_, _>>()?);
            }
            "transports" => {
                let names = strings(text, "transports", value)?.into_iter();
                let known = names.map(|(at, name)| {
                    let known = TRANSPORTS.into_iter().find(|known| *known == name);
                    known.ok_or_else(|| {
                        let what = format!("transports: {name:?} is none of tcp, tls, ws, wss");
                        text.fault(at, what)
                    })
                });
                self.transports = Some(known.collect::<Result<_, _>>()?);
            }
            other => {
                let what = format!(
                    "{other:?} is not known here; there are name, token_sha256, token_argon2id, certificate, labels, may_set and transports"
                );
                return Err(text.fault(at, what));
            }
        }
        Ok(())
    }

    /// Returns an id that changes with anything in the entry.
    fn id(&self, kind: &str, proof: &[u8]) -> GrantId {
        let said = format!(
            "{:?} {} {:?} {:?} {kind} ",
            self.name, self.labels, self.may_set, self.transports
        );
        let hash: [u8; 32] = Sha256::new().chain_update(said).chain_update(proof).finalize().into();
        let half = hash.first_chunk().copied().unwrap_or_default();
        GrantId(u128::from_be_bytes(half))
    }
}

/// Reads a string, or a list of strings. Each has its position.
fn strings<'v>(
    text: TomlText<'_>,
    key: &str,
    value: &'v Spanned<DeValue<'_>>,
) -> Result<Vec<(usize, &'v str)>, Fault> {
    match value.get_ref() {
        DeValue::Array(_) => text.strings(key, value),
        DeValue::String(_) => Ok(vec![(value.span().start, text.string(key, value)?)]),
        _ => text.wrong_type(key, value, "a string or a list of strings"),
    }
}

fn name(text: TomlText<'_>, value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
    let (at, name) = (value.span().start, text.string("name", value)?);
    let is_good = (1..=MAX_NAME).contains(&name.len()) && !name.contains(char::is_control);
    let what = format!("name: must have 1 to {MAX_NAME} bytes and no control characters");
    if is_good { Ok(name.to_owned()) } else { Err(text.fault(at, what)) }
}

/// Returns what is wrong with a hash. The reason never contains the hash.
fn check_argon2id(hash: &str) -> Result<(), String> {
    let parsed = PasswordHash::new(hash)
        .map_err(|_| "must be a PHC string such as $argon2id$v=19$m=19456,t=2,p=1$…$…")?;
    if Algorithm::try_from(parsed.algorithm) != Ok(Algorithm::Argon2id) {
        return Err(format!("the algorithm is {}, not argon2id", parsed.algorithm));
    }
    let params =
        Params::try_from(&parsed).map_err(|error| format!("its parameters are bad: {error}"))?;
    if parsed.hash.is_none() || parsed.salt.is_none() {
        return Err("its salt or its hash is missing".to_owned());
    }
    if params.m_cost() > MAX_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
        return Err(format!(
            "it takes too much: at most m={MAX_KIB}, t={MAX_PASSES}, p={MAX_LANES} are allowed"
        ));
    }
    Ok(())
}

fn check_certificate(name: &str) -> Result<(), String> {
    let rest = ["dns:", "uri:", "email:"].iter().find_map(|kind| name.strip_prefix(kind));
    match rest {
        Some("") => Err(format!("{name:?} has no name")),
        Some(_) => Ok(()),
        None if name.contains('=') => Ok(()),
        None => Err(format!(
            "{name:?} is neither a subject such as CN=orders,O=Example nor begins with dns:, uri: or email:"
        )),
    }
}

const TRANSPORTS: [&str; 4] = ["tcp", "tls", "ws", "wss"];
const NONE: u32 = u32::MAX;
const MAX_NAME: usize = 128;
const MAX_SLOW: usize = 32;
const MAX_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 8;
