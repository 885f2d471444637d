//! The proxy keys that metrics may be sealed under.

use super::{Agent, Event};
use crate::envelope::{Fingerprint, PeerKey};
use std::fmt;

/// The proxy keys that metrics may be sealed under. A proxy in plaintext mode has no key and satisfies only [`Pins::Any`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pins {
    /// Any key, and none.
    #[default]
    Any,
    /// One of these keys, for each proxy.
    These(Vec<Fingerprint>),
    /// For each proxy, in the order of the list, the key that it had at first contact; `None` until then. The first key is
    /// accepted and reported by [`Event::KeyPinned`], so this trusts whichever proxy answers first at that address. Proxies
    /// beyond the end of the list count as `None`.
    FirstUse(Vec<Option<Fingerprint>>),
}

impl Pins {
    /// Whether a proxy may have this key. The error has the keys that it may have.
    fn check(&self, proxy: usize, came: Option<Fingerprint>) -> Result<(), KeyNotPinned> {
        let expected: &[Fingerprint] = match self {
            Self::Any => return Ok(()),
            Self::These(pins) => pins,
            Self::FirstUse(pins) => pins.get(proxy).map_or(&[], Option::as_slice),
        };
        let is_first = matches!(self, Self::FirstUse(_)) && expected.is_empty();
        let is_pinned = came.is_some_and(|came| is_first || expected.contains(&came));
        if is_pinned { Ok(()) } else { Err(KeyNotPinned { came, expected: expected.to_vec() }) }
    }

    /// Pins the key of a proxy that has no pin yet. Returns the fingerprint if it did.
    fn pin(&mut self, proxy: usize, came: Option<Fingerprint>) -> Option<Fingerprint> {
        let Self::FirstUse(pins) = self else { return None };
        if pins.len() <= proxy {
            pins.resize(proxy + 1, None);
        }
        let pin = pins.get_mut(proxy).filter(|pin| pin.is_none())?;
        *pin = came;
        came
    }
}

/// A proxy's key is not one that it may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct KeyNotPinned {
    /// The fingerprint of its key; `None` in plaintext mode.
    pub came: Option<Fingerprint>,
    /// The pinned keys; empty if any key would have been accepted.
    pub expected: Vec<Fingerprint>,
}

impl fmt::Display for KeyNotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.came {
            Some(came) => write!(f, "the proxy's key is {came}")?,
            None => f.write_str("the proxy has no key (plaintext)")?,
        }
        if self.expected.is_empty() {
            return f.write_str(", but one is required");
        }
        f.write_str(", not ")?;
        for (nth, pin) in self.expected.iter().take(MAX_SHOWN).enumerate() {
            write!(f, "{}{pin}", if nth > 0 { " or " } else { "" })?;
        }
        match self.expected.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, " or one of {more} more"),
        }
    }
}

/// The number of pins that an error message names.
const MAX_SHOWN: usize = 4;

impl Agent {
    /// Whether the current proxy may have this key.
    pub(super) fn check_pin(&self, key: &PeerKey) -> Result<(), KeyNotPinned> {
        self.config.pins.check(self.proxies.current(), key.fingerprint())
    }

    /// Pins an accepted key, if keys are pinned on first use and this is the first key of its proxy.
    pub(super) fn pin_key(&mut self, key: &PeerKey) {
        let proxy = self.proxies.current();
        if let Some(fingerprint) = self.config.pins.pin(proxy, key.fingerprint()) {
            self.events.push_back(Event::KeyPinned { proxy, fingerprint });
        }
    }
}
