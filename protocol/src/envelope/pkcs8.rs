use super::KeyError;
use ::rsa::RsaPrivateKey;
use ::rsa::pkcs1::{self, DecodeRsaPrivateKey};
use ::rsa::pkcs8::{EncodePrivateKey, LineEnding, PrivateKeyInfo, SecretDocument};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::fmt;
use zeroize::Zeroizing;

/// A private key as it is kept in a file: PKCS #8, in PEM as OpenSSL writes it. Its memory is cleared when it is dropped.
pub struct PrivateKeyFile(SecretDocument);

impl PrivateKeyFile {
    /// The maximum length of a key file, in bytes: more than any key of 8,192 bits needs.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Generates a key pair of 2048, 3072 or 4096 bits with two primes, as PKCS #8 and OpenSSL's tools expect. Takes from a
    /// tenth of a second to many seconds. `seed` must be secret and fresh.
    pub fn generate(bits: usize, seed: [u8; 32]) -> Result<Self, KeyError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(KeyError::Size { bits });
        }
        let failed = |error: String| KeyError::Generate(error);
        let key = RsaPrivateKey::new(&mut ChaCha20Rng::from_seed(seed), bits)
            .map_err(|error| failed(error.to_string()))?;
        key.to_pkcs8_der().map(Self).map_err(|error| failed(error.to_string()))
    }

    /// Parses PEM: PKCS #8, or PKCS #1, which older OpenSSL tools write.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let malformed = KeyError::Pem;
        if pem.len() > Self::MAX_LEN {
            return Err(malformed(format!("it is longer than {} bytes", Self::MAX_LEN)));
        }
        let text = std::str::from_utf8(pem).map_err(|_| malformed("it is not PEM".to_owned()))?;
        let is_encrypted = text.contains("ENCRYPTED");
        if is_encrypted {
            let hint = "it is encrypted; `openssl pkey -in FILE` writes it without a password";
            return Err(malformed(hint.to_owned()));
        }
        let (label, key) =
            SecretDocument::from_pem(text).map_err(|error| malformed(error.to_string()))?;
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(key),
            "RSA PRIVATE KEY" => {
                let key = RsaPrivateKey::from_pkcs1_der(key.as_bytes());
                let key = key.map_err(|error| malformed(error.to_string()))?;
                key.to_pkcs8_der().map(Self).map_err(|error| malformed(error.to_string()))
            }
            other => Err(malformed(format!("it holds a {other:?}, not a PRIVATE KEY"))),
        }
    }

    fn from_pkcs8(key: SecretDocument) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::try_from(key.as_bytes());
        let info = info.map_err(|error| KeyError::Pem(error.to_string()))?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa { oid: info.algorithm.oid.to_string() });
        }
        Ok(Self(key))
    }

    /// Returns the key in PEM.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pem = self.0.to_pem("PRIVATE KEY", LineEnding::LF);
        pem.map_err(|error| KeyError::Generate(error.to_string()))
    }

    /// Returns the key in DER.
    pub fn as_der(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PrivateKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKeyFile(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{KeyUnwrap, RsaKeyPair};

    #[test]
    fn a_key_goes_to_pem_and_back() {
        let made = PrivateKeyFile::generate(2048, [1; 32]).unwrap();
        let pem = made.to_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && pem.len() < 2048, "{pem:?}");
        let read = PrivateKeyFile::from_pem(pem.as_bytes()).unwrap();
        let key = |file: &PrivateKeyFile| RsaKeyPair::from_pkcs8_der(file.as_der()).unwrap();
        assert_eq!(key(&read).public_key(), key(&made).public_key());
        assert_eq!(format!("{read:?}"), "PrivateKeyFile(..)");
        assert_eq!(
            PrivateKeyFile::generate(1024, [1; 32]).unwrap_err(),
            KeyError::Size { bits: 1024 }
        );
    }

    #[test]
    fn pkcs1_is_read_too() {
        use ::rsa::pkcs1::EncodeRsaPrivateKey;
        let made = PrivateKeyFile::generate(2048, [1; 32]).unwrap();
        let key = RsaKeyPair::from_pkcs8_der(made.as_der()).unwrap();
        let private = RsaPrivateKey::new(&mut ChaCha20Rng::from_seed([1; 32]), 2048).unwrap();
        let pem = private.to_pkcs1_pem(LineEnding::LF).unwrap();
        let read = PrivateKeyFile::from_pem(pem.as_bytes()).unwrap();
        let read = RsaKeyPair::from_pkcs8_der(read.as_der()).unwrap();
        assert_eq!(read.public_key(), key.public_key());
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_with_the_reason() {
        // An Ed25519 key, from RFC 8410.
        let ed25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let old_style = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----\n";
        let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let long = "x".repeat(PrivateKeyFile::MAX_LEN + 1);
        for (pem, reason) in [
            (ed25519, "the algorithm 1.3.101.112, not of RSA"),
            (encrypted, "it is encrypted"),
            (old_style, "it is encrypted"),
            (certificate, "it holds a \"CERTIFICATE\""),
            (&long, "it is longer than 16384 bytes"),
            ("", "PEM"),
            ("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "ASN.1"),
        ] {
            let error = PrivateKeyFile::from_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
