use super::OpenError;
use ::aes::{Aes128, Aes192, Aes256};
use bytes::{Bytes, BytesMut};
use ecb::cipher::block_padding::Pkcs7;
use ecb::cipher::{BlockDecryptMut, BlockEncryptMut, KeyInit};
use std::fmt;
use zeroize::Zeroizing;

/// The length of the AES keys that metrics are sealed under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AesKeySize {
    /// 128 bits, as in the Java client.
    #[default]
    Aes128,
    /// 192 bits.
    Aes192,
    /// 256 bits.
    Aes256,
}

impl AesKeySize {
    /// The length in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// An AES key. Its memory is cleared when it is dropped, and `Debug` hides it.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<Vec<u8>>);

impl SecretKey {
    /// Makes a key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    ///
    /// If there is another number of bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, OpenError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            16 | 24 | 32 => Ok(Self(bytes)),
            len => Err(OpenError::KeySize { len }),
        }
    }

    /// Returns the key.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({} bits)", self.0.len() * 8)
    }
}

/// Encrypts in ECB mode with PKCS #5 padding. The result is 1 to 16 bytes longer, a multiple of 16.
pub fn encrypt(key: &SecretKey, plain: &[u8]) -> Bytes {
    let key = key.expose();
    let sealed = match key.len() {
        16 => ecb::Encryptor::<Aes128>::new_from_slice(key).map(|aes| padded(aes, plain)),
        24 => ecb::Encryptor::<Aes192>::new_from_slice(key).map(|aes| padded(aes, plain)),
        _ => ecb::Encryptor::<Aes256>::new_from_slice(key).map(|aes| padded(aes, plain)),
    };
    // A SecretKey has the key length of one of the three ciphers.
    sealed.unwrap_or_default().into()
}

/// Decrypts what [`encrypt`] made: in place if nothing else shares the buffer of `sealed`, else in a copy.
///
/// # Errors
///
/// If `sealed` is not a whole number of blocks, or its padding is wrong.
pub fn decrypt(key: &SecretKey, sealed: Bytes) -> Result<Bytes, OpenError> {
    let len = sealed.len();
    let mut buffer = BytesMut::from(sealed);
    let key = key.expose();
    let plain = match key.len() {
        16 => ecb::Decryptor::<Aes128>::new_from_slice(key).map(|aes| unpadded(aes, &mut buffer)),
        24 => ecb::Decryptor::<Aes192>::new_from_slice(key).map(|aes| unpadded(aes, &mut buffer)),
        _ => ecb::Decryptor::<Aes256>::new_from_slice(key).map(|aes| unpadded(aes, &mut buffer)),
    };
    let plain_len = plain.ok().flatten().ok_or(OpenError::Decrypt { len })?;
    buffer.truncate(plain_len);
    Ok(buffer.freeze())
}

fn padded(aes: impl BlockEncryptMut, plain: &[u8]) -> Vec<u8> {
    aes.encrypt_padded_vec_mut::<Pkcs7>(plain)
}

/// The length of the decrypted text at the start of `buffer`.
fn unpadded(aes: impl BlockDecryptMut, buffer: &mut [u8]) -> Option<usize> {
    aes.decrypt_padded_mut::<Pkcs7>(buffer).ok().map(<[u8]>::len)
}
