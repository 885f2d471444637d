use super::UnwrapError;
use super::rng;
use std::fmt;
use zeroize::Zeroizing;

/// Size of the AES key that a payload is encrypted under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AesKeySize {
    /// 128 bits: what the Java client uses.
    #[default]
    Bits128,
    /// 192 bits.
    Bits192,
    /// 256 bits.
    Bits256,
}

impl AesKeySize {
    /// The size in bytes: 16, 24 or 32.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bits128 => 16,
            Self::Bits192 => 24,
            Self::Bits256 => 32,
        }
    }
}

/// An AES key. Erased when dropped; `Debug` shows its size only.
pub struct SecretKey {
    size: AesKeySize,
    /// On the heap, so that moving the key leaves no copies behind.
    bytes: Zeroizing<Vec<u8>>,
}

impl SecretKey {
    /// The key that `seed` yields. The seed must be random, secret, and used for nothing else.
    pub fn generate(size: AesKeySize, seed: [u8; 32]) -> Self {
        let mut bytes = Zeroizing::new(vec![0; size.bytes()]);
        rng::fill(seed, &mut bytes);
        Self { size, bytes }
    }

    /// Takes over the bytes of a key, as a [`KeyUnwrap`](super::KeyUnwrap) finds them.
    ///
    /// # Errors
    ///
    /// [`UnwrapError::KeyLength`] unless there are 16, 24 or 32 of them; they are erased then, too.
    pub fn from_vec(bytes: Vec<u8>) -> Result<Self, UnwrapError> {
        let bytes = Zeroizing::new(bytes);
        let size = match bytes.len() {
            16 => AesKeySize::Bits128,
            24 => AesKeySize::Bits192,
            32 => AesKeySize::Bits256,
            len => return Err(UnwrapError::KeyLength { len }),
        };
        Ok(Self { size, bytes })
    }

    /// The size.
    pub fn size(&self) -> AesKeySize {
        self.size
    }

    /// The bytes: 16, 24 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("size", &self.size).finish_non_exhaustive()
    }
}
