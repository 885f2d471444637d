use super::{KeyError, KeyUnwrap, MAX_RSA_BITS, MIN_RSA_BITS, PLAINTEXT, SecretKey, UnwrapError};
use super::{SealError, rng};
use ::rsa::pkcs1;
use ::rsa::pkcs8::{DecodePrivateKey, EncodePublicKey, SubjectPublicKeyInfoRef};
use ::rsa::traits::PublicKeyParts;
use ::rsa::{BigUint, Oaep, RsaPrivateKey, RsaPublicKey};
use bytes::Bytes;
use sha1::Sha1;
use sha2::Sha256;
use std::fmt;

/// What a proxy wants its metrics sealed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerKey {
    /// Not at all.
    Plaintext,
    /// An AES key wrapped with this.
    Rsa(RsaPeerKey),
}

impl PeerKey {
    /// Reads the data of a proxy's request: `plaintext`, or an RSA key as X.509 SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is neither, or a key outside of [`MIN_RSA_BITS`] to [`MAX_RSA_BITS`].
    pub fn parse(data: &[u8]) -> Result<Self, KeyError> {
        if data == PLAINTEXT { Ok(Self::Plaintext) } else { RsaPeerKey::parse(data).map(Self::Rsa) }
    }
}

/// A proxy's RSA key.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPeerKey(RsaPublicKey);

impl RsaPeerKey {
    fn parse(der: &[u8]) -> Result<Self, KeyError> {
        let malformed = |reason: String| KeyError::Malformed {
            expected: "an X.509 SubjectPublicKeyInfo",
            len: der.len(),
            reason,
        };
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|e| malformed(e.to_string()))?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa { oid: info.algorithm.oid.to_string() });
        }
        let bits = info.subject_public_key.as_bytes();
        let bits = bits.ok_or_else(|| malformed("a bit string of broken bytes".to_owned()))?;
        let key = pkcs1::RsaPublicKey::try_from(bits).map_err(|e| malformed(e.to_string()))?;

        let modulus = BigUint::from_bytes_be(key.modulus.as_bytes());
        let exponent = BigUint::from_bytes_be(key.public_exponent.as_bytes());
        let bits = checked_bits(&modulus)?;
        match RsaPublicKey::new_with_max_size(modulus, exponent, MAX_RSA_BITS) {
            Ok(key) => Ok(Self(key)),
            Err(error) => Err(KeyError::Numbers { bits, reason: error.to_string() }),
        }
    }

    /// Bits of the modulus.
    pub fn bits(&self) -> usize {
        self.0.n().bits()
    }

    /// Wraps `secret`, padded with randomness from `seed`.
    pub(super) fn wrap(&self, secret: &SecretKey, seed: [u8; 32]) -> Result<Bytes, SealError> {
        let wrapped = self.0.encrypt(&mut rng::from_seed(seed), oaep(), secret.as_bytes());
        wrapped.map(Bytes::from).map_err(|error| SealError::Wrap { reason: error.to_string() })
    }
}

impl fmt::Debug for RsaPeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPeerKey").field("bits", &self.bits()).finish_non_exhaustive()
    }
}

/// Size of a key pair that is made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaKeySize {
    /// 2,048 bits: the fastest to unwrap with that is not broken, and the size that all known clients have met.
    #[default]
    Bits2048,
    /// 3,072 bits.
    Bits3072,
    /// 4,096 bits.
    Bits4096,
}

impl RsaKeySize {
    /// The size in bits.
    pub const fn bits(self) -> usize {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }
}

/// A proxy's RSA key pair, by the `rsa` crate. The private half is erased when dropped; `Debug` shows the size only.
pub struct RsaKeyPair {
    private: RsaPrivateKey,
    public: Bytes,
}

impl RsaKeyPair {
    /// Makes the key pair that `seed` yields. The seed must be random, secret, and used for nothing else.
    ///
    /// Takes from a tenth of a second to several seconds; call it off the event loop.
    ///
    /// # Errors
    ///
    /// [`KeyError::Generation`] if the backend refuses, which it has no reason to.
    pub fn generate(size: RsaKeySize, seed: [u8; 32]) -> Result<Self, KeyError> {
        let bits = size.bits();
        let failed = |reason: String| KeyError::Generation { bits, reason };
        let private = RsaPrivateKey::new(&mut rng::from_seed(seed), bits);
        Self::new(private.map_err(|error| failed(error.to_string()))?)
    }

    /// Reads a key pair of two primes from PKCS #8 in DER, not encrypted, as Java and `openssl genpkey -outform DER` write it.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is no such thing, or outside of [`MIN_RSA_BITS`] to [`MAX_RSA_BITS`].
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let private = RsaPrivateKey::from_pkcs8_der(der).map_err(|error| KeyError::Malformed {
            expected: "a PKCS #8 PrivateKeyInfo of RSA",
            len: der.len(),
            reason: error.to_string(),
        })?;
        Self::new(private)
    }

    fn new(private: RsaPrivateKey) -> Result<Self, KeyError> {
        let bits = checked_bits(private.n())?;
        match private.to_public_key().to_public_key_der() {
            Ok(der) => Ok(Self { private, public: Bytes::from(der.into_vec()) }),
            Err(error) => Err(KeyError::Numbers { bits, reason: error.to_string() }),
        }
    }

    /// Bits of the modulus.
    pub fn bits(&self) -> usize {
        self.private.n().bits()
    }
}

impl KeyUnwrap for RsaKeyPair {
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        let expected = self.private.size();
        if wrapped.len() != expected {
            return Err(UnwrapError::WrongLength { expected, actual: wrapped.len() });
        }
        match self.private.decrypt_blinded(&mut rng::from_seed(seed), oaep(), wrapped) {
            Ok(secret) => SecretKey::from_vec(secret),
            Err(_) => Err(UnwrapError::Rejected { len: wrapped.len() }),
        }
    }

    fn public_key(&self) -> Bytes {
        self.public.clone()
    }
}

impl fmt::Debug for RsaKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaKeyPair").field("bits", &self.bits()).finish_non_exhaustive()
    }
}

/// The JDK's reading of "RSA/ECB/OAEPWithSHA-256AndMGF1Padding".
fn oaep() -> Oaep {
    Oaep::new_with_mgf_hash::<Sha256, Sha1>()
}

fn checked_bits(modulus: &BigUint) -> Result<usize, KeyError> {
    let bits = modulus.bits();
    let accepted = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits);
    if accepted { Ok(bits) } else { Err(KeyError::Size { bits }) }
}
