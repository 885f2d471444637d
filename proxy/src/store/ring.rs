//! The key that applications are sent, and the previous one for as long as somebody may still seal under it.

use crate::store::keys::Backend;
use bytes::Bytes;
use prometheus_rsocket_protocol::envelope::{
    Fingerprint, KeyUnwrap, PLAINTEXT, PrivateKeyFile, SecretKey, UnwrapError,
};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// A key pair. `Debug` shows only what is public.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) pair: Arc<dyn KeyUnwrap>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) bits: usize,
    /// The key as it is in its file, if it has one.
    pub(crate) file: Option<Arc<PrivateKeyFile>>,
}

/// The keys that are in use: one or two.
#[derive(Clone)]
struct Keys {
    current: Key,
    /// When the current one came into use in this process.
    since: Instant,
    old: Option<Key>,
}

/// The keys that are in use. To applications they are one key: errors do not tell which ones were tried.
pub(crate) struct KeyRing {
    /// `None` in plaintext mode.
    keys: Option<(Backend, RwLock<Keys>)>,
}

impl KeyRing {
    pub(crate) fn new(backend: Backend, current: Key, old: Option<Key>, now: Instant) -> Self {
        Self { keys: Some((backend, RwLock::new(Keys { current, since: now, old }))) }
    }

    /// Returns the ring of plaintext mode.
    pub(crate) fn without_key() -> Self {
        Self { keys: None }
    }

    /// Returns `rust`, `openssl`, or `none` in plaintext mode.
    pub(crate) fn backend_name(&self) -> &'static str {
        self.backend().map_or("none", Backend::name)
    }

    pub(crate) fn backend(&self) -> Option<Backend> {
        self.keys.as_ref().map(|(backend, _)| *backend)
    }

    pub(crate) fn current(&self) -> Option<Key> {
        self.keys().map(|keys| keys.current)
    }

    /// Returns when the current key came into use in this process.
    pub(crate) fn in_use_since(&self) -> Option<Instant> {
        self.keys().map(|keys| keys.since)
    }

    pub(crate) fn old(&self) -> Option<Key> {
        self.keys()?.old
    }

    /// Replaces the current key, which becomes the old one. The previous old key is dropped.
    pub(crate) fn replace(&self, key: Key, now: Instant) {
        self.change(|keys| {
            keys.old = Some(std::mem::replace(&mut keys.current, key));
            keys.since = now;
        });
    }

    /// Drops the old key.
    pub(crate) fn drop_old(&self) {
        self.change(|keys| keys.old = None);
    }

    fn change(&self, change: impl FnOnce(&mut Keys)) {
        if let Some((_, keys)) = &self.keys {
            change(&mut keys.write().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Returns a copy, so that nothing is locked while a key is used.
    fn keys(&self) -> Option<Keys> {
        let (_, keys) = self.keys.as_ref()?;
        Some(keys.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl KeyUnwrap for KeyRing {
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        let Some(keys) = self.keys() else { return NoKey.unwrap_key(wrapped, seed) };
        let result = keys.current.pair.unwrap_key(wrapped, seed);
        match (result, keys.old) {
            (Err(error), Some(old)) => {
                // Blinded by other numbers than the first attempt.
                let mut seed = seed;
                seed[0] ^= 1;
                old.pair.unwrap_key(wrapped, seed).map_err(|_| error)
            }
            (result, _) => result,
        }
    }

    fn unwrap_content_key(
        &self,
        under: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        let Some(keys) = self.keys() else {
            return NoKey.unwrap_content_key(under, wrapped, seed);
        };
        let old = keys.old.filter(|old| old.fingerprint == *under);
        // If it fits neither, the current one refuses it.
        old.unwrap_or(keys.current).pair.unwrap_content_key(under, wrapped, seed)
    }

    fn public_key(&self) -> Bytes {
        self.current().map_or_else(|| NoKey.public_key(), |key| key.pair.public_key())
    }
}

/// Takes the place of a key in plaintext mode. Nothing is wrapped under it.
struct NoKey;

impl KeyUnwrap for NoKey {
    fn unwrap_key(&self, wrapped: &[u8], _: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        Err(UnwrapError { len: wrapped.len(), expected: PLAINTEXT.len() })
    }

    fn unwrap_content_key(
        &self,
        _: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        self.unwrap_key(wrapped, seed)
    }

    fn public_key(&self) -> Bytes {
        Bytes::from_static(PLAINTEXT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_rsocket_protocol::envelope::{PeerKey, RsaKeyPair};

    fn key(seed: u8) -> Key {
        let pair = RsaKeyPair::generate(2048, [seed; 32]).unwrap();
        let fingerprint = Fingerprint::of(&pair.public_key());
        Key { pair: Arc::new(pair), fingerprint, bits: 2048, file: None }
    }

    fn sealed_under(key: &Key) -> Bytes {
        let peer = PeerKey::parse(&key.pair.public_key()).unwrap();
        peer.wrap(&SecretKey::new(vec![7; 16]).unwrap(), [1; 32]).unwrap()
    }

    #[test]
    fn the_current_key_and_the_one_before_open_and_no_error_tells_which_were_tried() {
        let keys = [key(1), key(2), key(3)];
        let wrapped = keys.each_ref().map(sealed_under);
        let ring = KeyRing::new(Backend::Rust, keys[0].clone(), None, Instant::now());
        let opened = |ring: &KeyRing| {
            wrapped.each_ref().map(|wrapped| ring.unwrap_key(wrapped, [5; 32]).is_ok())
        };
        assert_eq!(opened(&ring), [true, false, false]);
        let alone = ring.unwrap_key(&wrapped[2], [5; 32]).unwrap_err();
        ring.replace(keys[1].clone(), Instant::now());
        assert_eq!(opened(&ring), [true, true, false]);
        assert_eq!(ring.unwrap_key(&wrapped[2], [5; 32]).unwrap_err(), alone);
        assert_eq!(ring.public_key(), keys[1].pair.public_key());
        let now = Instant::now();
        ring.replace(keys[2].clone(), now);
        assert_eq!(ring.in_use_since(), Some(now));
        assert_eq!(opened(&ring), [false, true, true]);
        ring.drop_old();
        assert_eq!(opened(&ring), [false, false, true]);
        assert!(ring.old().is_none());
    }
}
