//! Authentication and identities: credentials of applications and of scrapers, from files.

pub(crate) mod applications;
pub(crate) mod failures;
pub(crate) mod live;
pub(crate) mod scrapers;

#[cfg(test)]
mod tests;

use data_encoding::HEXLOWER_PERMISSIVE;
pub use live::AuthFileError;

/// Parses a SHA-256 in hexadecimal digits.
fn sha256(hex: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}
