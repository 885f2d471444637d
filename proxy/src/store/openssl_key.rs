use bytes::Bytes;
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::pkey::{Id, PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use prometheus_rsocket_protocol::envelope::{
    Fingerprint, KeyError, KeyUnwrap, SecretKey, UnwrapError,
};
use std::fmt;

/// Comes before anything else of OpenSSL, which would otherwise free its tables at the end of the program, while other threads may still make or use a key.
fn init() {
    openssl::init();
}

/// An RSA key pair of OpenSSL. Unwrapping takes a third of the CPU that [`RsaKeyPair`](prometheus_rsocket_protocol::envelope::RsaKeyPair) takes. Any
/// number of threads may use it at once.
///
/// OpenSSL draws its own randomness. It blinds each operation with the private key, checks the padding in constant time, and computes with its own
/// constant-time arithmetic. A key that is made here has two primes: with OpenSSL, three are no faster.
pub struct OpenSslKeyPair {
    private: PKey<Private>,
    public: Bytes,
    fingerprint: Fingerprint,
}

impl OpenSslKeyPair {
    /// Makes a key pair of 2048, 3072 or 4096 bits. This takes from a tenth of a second to several seconds.
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        let size = match bits {
            2048 | 3072 | 4096 => bits as u32,
            _ => return Err(KeyError::Size { bits }),
        };
        init();
        let made = || {
            let mut context = PkeyCtx::new_id(Id::RSA)?;
            context.keygen_init()?;
            context.set_rsa_keygen_bits(size)?;
            context.keygen()
        };
        Self::new(made().map_err(generate_error)?)
    }

    /// Reads a private key of 1024 to 8192 bits in PKCS#8 DER.
    pub fn from_pkcs8_der(key: &[u8]) -> Result<Self, KeyError> {
        init();
        let malformed = |reason: String| KeyError::Malformed { len: key.len(), reason };
        let private =
            PKey::private_key_from_pkcs8(key).map_err(|error| malformed(error.to_string()))?;
        if private.id() != Id::RSA {
            return Err(malformed("it is a key of another algorithm".to_owned()));
        }
        let bits = private.bits() as usize;
        if !(1024..=8192).contains(&bits) {
            return Err(KeyError::Size { bits });
        }
        match private.rsa().and_then(|rsa| rsa.check_key()) {
            Ok(true) => Self::new(private),
            Ok(false) => Err(malformed("its numbers do not belong together".to_owned())),
            Err(error) => Err(malformed(error.to_string())),
        }
    }

    fn new(private: PKey<Private>) -> Result<Self, KeyError> {
        let public = private.public_key_to_der().map_err(generate_error)?;
        let fingerprint = Fingerprint::of(&public);
        Ok(Self { private, public: public.into(), fingerprint })
    }

    /// Unwraps a key. OpenSSL keeps errors in a queue for each thread; creating an [`ErrorStack`] empties it.
    fn decrypt(&self, mask: &MdRef, wrapped: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut context = PkeyCtx::new(&self.private)?;
        context.decrypt_init()?;
        context.set_rsa_padding(Padding::PKCS1_OAEP)?;
        context.set_rsa_oaep_md(Md::sha256())?;
        context.set_rsa_mgf1_md(mask)?;
        let mut key = vec![0; self.private.size()];
        let len = context.decrypt(wrapped, Some(&mut key))?;
        key.truncate(len);
        Ok(key)
    }

    /// Unwraps a key whose mask was generated with this hash.
    fn unwrap(&self, mask: &MdRef, wrapped: &[u8]) -> Result<SecretKey, UnwrapError> {
        let failed = self.failed(wrapped);
        // OpenSSL would read a shorter one as if it began with zeros.
        if failed.len != failed.expected {
            return Err(failed);
        }
        let key = self.decrypt(mask, wrapped).map_err(|_| failed)?;
        SecretKey::new(key).map_err(|_| failed)
    }

    fn failed(&self, wrapped: &[u8]) -> UnwrapError {
        UnwrapError { len: wrapped.len(), expected: self.private.size() }
    }
}

impl KeyUnwrap for OpenSslKeyPair {
    fn unwrap_key(&self, wrapped: &[u8], _seed: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        self.unwrap(Md::sha1(), wrapped)
    }

    fn unwrap_content_key(
        &self,
        under: &Fingerprint,
        wrapped: &[u8],
        _seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        match *under == self.fingerprint {
            true => self.unwrap(Md::sha256(), wrapped),
            false => Err(self.failed(wrapped)),
        }
    }

    fn public_key(&self) -> Bytes {
        self.public.clone()
    }
}

impl fmt::Debug for OpenSslKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenSslKeyPair({} bits)", self.private.bits())
    }
}

fn generate_error(error: ErrorStack) -> KeyError {
    KeyError::Generate(error.to_string())
}

#[cfg(test)]
mod tests;
