use super::{Fingerprint, KeyError, KeyUnwrap, PLAINTEXT, SealError, SecretKey, UnwrapError};
use ::rsa::pkcs1;
use ::rsa::pkcs8::{DecodePrivateKey, EncodePublicKey, SubjectPublicKeyInfoRef};
use ::rsa::traits::PublicKeyParts;
use ::rsa::{BigUint, Oaep, RsaPrivateKey, RsaPublicKey};
use bytes::Bytes;
use num_bigint_dig::{ModInverse, RandPrime};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha1::Sha1;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The key that a proxy sent for metrics to be sealed under, or plaintext mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerKey(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Plaintext,
    Rsa { public: RsaPublicKey, fingerprint: Fingerprint },
}

impl PeerKey {
    /// Parses a key: `plaintext`, or the SubjectPublicKeyInfo of an RSA key of 1024 to 8192 bits.
    pub fn parse(key: &[u8]) -> Result<Self, KeyError> {
        if key == PLAINTEXT {
            return Ok(Self(Kind::Plaintext));
        }
        let malformed = |reason: String| KeyError::Malformed { len: key.len(), reason };
        if key.len() > MAX_KEY_DER {
            return Err(malformed("it is too long".to_owned()));
        }
        let info = SubjectPublicKeyInfoRef::try_from(key).map_err(|e| malformed(e.to_string()))?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa { oid: info.algorithm.oid.to_string() });
        }
        let numbers = info.subject_public_key.as_bytes().unwrap_or_default();
        let numbers =
            pkcs1::RsaPublicKey::try_from(numbers).map_err(|e| malformed(e.to_string()))?;
        let modulus = BigUint::from_bytes_be(numbers.modulus.as_bytes());
        let exponent = BigUint::from_bytes_be(numbers.public_exponent.as_bytes());
        // The crate's own DER parser stops at 4,096 bits.
        check_size(modulus.bits())?;
        let public = RsaPublicKey::new_with_max_size(modulus, exponent, MAX_BITS)
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Self(Kind::Rsa { public, fingerprint: Fingerprint::of(key) }))
    }

    /// Returns the key's fingerprint; `None` in plaintext mode.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match &self.0 {
            Kind::Plaintext => None,
            Kind::Rsa { fingerprint, .. } => Some(*fingerprint),
        }
    }

    /// Returns the size of the modulus in bits; `None` in plaintext mode.
    pub fn bits(&self) -> Option<usize> {
        match &self.0 {
            Kind::Plaintext => None,
            Kind::Rsa { public, .. } => Some(public.n().bits()),
        }
    }

    /// Whether metrics are not encrypted.
    pub fn is_plaintext(&self) -> bool {
        self.0 == Kind::Plaintext
    }

    /// Wraps a content key of [version 2](super::v2). Fails in plaintext mode. `seed` must be secret and fresh.
    pub(super) fn wrap_content_key(
        &self,
        key: &SecretKey,
        seed: [u8; 32],
    ) -> Result<Bytes, SealError> {
        match &self.0 {
            Kind::Plaintext => Err(SealError::Wrap("there is no key in plaintext mode".to_owned())),
            Kind::Rsa { public, .. } => wrap(public, Oaep::new::<Sha256>(), key, seed),
        }
    }

    /// Wraps an AES key of version 1. In plaintext mode, returns the metadata that replaces a wrapped key. `seed` must be secret and fresh.
    pub fn wrap(&self, key: &SecretKey, seed: [u8; 32]) -> Result<Bytes, SealError> {
        match &self.0 {
            Kind::Plaintext => Ok(Bytes::from_static(PLAINTEXT)),
            Kind::Rsa { public, .. } => wrap(public, padding(), key, seed),
        }
    }
}

fn wrap(
    public: &RsaPublicKey,
    padding: Oaep,
    key: &SecretKey,
    seed: [u8; 32],
) -> Result<Bytes, SealError> {
    let wrapped = public.encrypt(&mut ChaCha20Rng::from_seed(seed), padding, key.expose());
    wrapped.map(Bytes::from).map_err(|error| SealError::Wrap(error.to_string()))
}

/// An RSA key pair, by the crate `rsa`.
///
/// A generated key pair has three primes (RFC 8017, section 3.2), with which unwrapping takes two thirds of the time; the
/// public key looks like any other. Finding a prime of a third of 2,048 bits is far beyond factoring by elliptic curves, so the
/// modulus as a whole remains the weakest point. OpenSSL allows three primes from 1,024 bits on for the same reason.
///
/// The crate's arithmetic is not constant-time (RUSTSEC-2023-0071). Unwrapping is therefore blinded by fresh randomness, which
/// makes its time independent of what is unwrapped.
pub struct RsaKeyPair {
    private: RsaPrivateKey,
    public: Bytes,
    fingerprint: Fingerprint,
}

impl RsaKeyPair {
    /// Generates a key pair of 2048, 3072 or 4096 bits. Takes from a tenth of a second to many seconds. `seed` must be secret and fresh.
    pub fn generate(bits: usize, seed: [u8; 32]) -> Result<Self, KeyError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(KeyError::Size { bits });
        }
        let mut random = ChaCha20Rng::from_seed(seed);
        for _ in 0..MAX_TRIES {
            if let Some(private) = try_generate(&mut random, bits) {
                return Self::new(private);
            }
        }
        Err(KeyError::Generate(format!("no three primes in {MAX_TRIES} tries")))
    }

    /// Parses a private key in PKCS #8 DER.
    pub fn from_pkcs8_der(key: &[u8]) -> Result<Self, KeyError> {
        let private = RsaPrivateKey::from_pkcs8_der(key)
            .map_err(|error| KeyError::Malformed { len: key.len(), reason: error.to_string() })?;
        check_size(private.n().bits())?;
        Self::new(private)
    }

    fn new(private: RsaPrivateKey) -> Result<Self, KeyError> {
        let public = private
            .to_public_key()
            .to_public_key_der()
            .map_err(|error| KeyError::Generate(error.to_string()))?;
        let fingerprint = Fingerprint::of(public.as_bytes());
        Ok(Self { private, public: public.into_vec().into(), fingerprint })
    }

    fn decrypt(
        &self,
        padding: Oaep,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        let failed = self.failed(wrapped);
        let mut random = ChaCha20Rng::from_seed(seed);
        let key =
            self.private.decrypt_blinded(&mut random, padding, wrapped).map_err(|_| failed)?;
        SecretKey::new(key).map_err(|_| failed)
    }

    fn failed(&self, wrapped: &[u8]) -> UnwrapError {
        UnwrapError { len: wrapped.len(), expected: self.private.size() }
    }
}

impl KeyUnwrap for RsaKeyPair {
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        self.decrypt(padding(), wrapped, seed)
    }

    fn unwrap_content_key(
        &self,
        under: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        if *under != self.fingerprint {
            return Err(self.failed(wrapped));
        }
        self.decrypt(Oaep::new::<Sha256>(), wrapped, seed)
    }

    fn public_key(&self) -> Bytes {
        self.public.clone()
    }
}

impl fmt::Debug for RsaKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKeyPair({} bits)", self.private.n().bits())
    }
}

/// Draws three primes. About half of the products are slightly too short, and one in many thousands of draws has no private exponent.
fn try_generate(random: &mut ChaCha20Rng, bits: usize) -> Option<RsaPrivateKey> {
    let one = BigUint::from(1_u8);
    let exponent = BigUint::from(65_537_u32);
    let (mut modulus, mut totient) = (one.clone(), Zeroizing::new(one.clone()));
    let mut primes = Vec::with_capacity(3);
    let mut left = bits;
    for share in [3, 2, 1] {
        let len = left / share;
        left -= len;
        let prime = random.gen_prime(len);
        modulus *= &prime;
        *totient *= &prime - &one;
        primes.push(prime);
    }
    let private = (&exponent).mod_inverse(&*totient)?.to_biguint()?;
    if modulus.bits() != bits {
        return None;
    }
    // Refuses equal primes, among other things.
    RsaPrivateKey::from_components(modulus, exponent, private, primes).ok()
}

/// The JDK's `OAEPWithSHA-256AndMGF1Padding`, whose mask generation stays at SHA-1.
fn padding() -> Oaep {
    Oaep::new_with_mgf_hash::<Sha256, Sha1>()
}

fn check_size(bits: usize) -> Result<(), KeyError> {
    if (MIN_BITS..=MAX_BITS).contains(&bits) { Ok(()) } else { Err(KeyError::Size { bits }) }
}

/// Smaller keys are broken in practice.
const MIN_BITS: usize = 1024;

/// The maximum number of draws of three primes. A few suffice unless the randomness is broken.
const MAX_TRIES: usize = 100;

/// Bounds the work that a peer's key can cause.
const MAX_BITS: usize = 8192;

/// Longer than the DER of any accepted key, in bytes.
const MAX_KEY_DER: usize = 4096;
