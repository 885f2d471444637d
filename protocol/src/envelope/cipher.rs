use super::{AesKeySize, DecryptError, SecretKey};
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use bytes::Bytes;

/// Bytes of an AES block, and so the unit of a ciphertext's length.
const BLOCK_LEN: usize = 16;

/// The sealing's second step: AES in ECB mode with PKCS #5 padding.
///
/// The result is 1 to 16 bytes longer than `block`, a multiple of 16.
pub fn encrypt(key: &SecretKey, block: &[u8]) -> Bytes {
    let mut buffer = Vec::with_capacity(padded_len(block.len()));
    buffer.extend_from_slice(block);
    encrypt_vec(key, buffer)
}

/// As [`encrypt`], in place.
pub(super) fn encrypt_vec(key: &SecretKey, mut buffer: Vec<u8>) -> Bytes {
    let len = buffer.len();
    buffer.resize(padded_len(len), 0);
    let done = match key.size() {
        AesKeySize::Bits128 => encrypt_as::<Aes128>(key, &mut buffer, len),
        AesKeySize::Bits192 => encrypt_as::<Aes192>(key, &mut buffer, len),
        AesKeySize::Bits256 => encrypt_as::<Aes256>(key, &mut buffer, len),
    };
    debug_assert!(
        done.is_some(),
        "a SecretKey has its size, and the buffer has room for the padding"
    );
    Bytes::from(buffer)
}

/// The opening's second step: undoes [`encrypt`].
///
/// # Errors
///
/// [`DecryptError`] if `data` has no length that [`encrypt`] gives, or the padding is wrong. Success does not mean that
/// the key was the right one: by chance, about one in 256 wrong keys yields right padding.
pub fn decrypt(key: &SecretKey, data: &[u8]) -> Result<Bytes, DecryptError> {
    if data.is_empty() || !data.len().is_multiple_of(BLOCK_LEN) {
        return Err(DecryptError::Length { len: data.len() });
    }
    let mut buffer = data.to_vec();
    let unpadded = match key.size() {
        AesKeySize::Bits128 => decrypt_as::<Aes128>(key, &mut buffer),
        AesKeySize::Bits192 => decrypt_as::<Aes192>(key, &mut buffer),
        AesKeySize::Bits256 => decrypt_as::<Aes256>(key, &mut buffer),
    };
    let len = unpadded.ok_or(DecryptError::Padding { len: data.len() })?;
    buffer.truncate(len);
    Ok(Bytes::from(buffer))
}

fn padded_len(len: usize) -> usize {
    len - len % BLOCK_LEN + BLOCK_LEN
}

fn encrypt_as<C>(key: &SecretKey, buffer: &mut [u8], len: usize) -> Option<()>
where
    C: KeyInit + aes::cipher::BlockCipher + BlockEncryptMut,
{
    let cipher = ecb::Encryptor::<C>::new_from_slice(key.as_bytes()).ok()?;
    cipher.encrypt_padded_mut::<Pkcs7>(buffer, len).ok()?;
    Some(())
}

/// Decrypts in place and returns the length without the padding.
fn decrypt_as<C>(key: &SecretKey, buffer: &mut [u8]) -> Option<usize>
where
    C: KeyInit + aes::cipher::BlockCipher + BlockDecryptMut,
{
    let cipher = ecb::Decryptor::<C>::new_from_slice(key.as_bytes()).ok()?;
    let unpadded = cipher.decrypt_padded_mut::<Pkcs7>(buffer).ok()?;
    Some(unpadded.len())
}
