//! Data that outlives a connection: the proxy's key and held pushes.

pub(crate) mod disk;
pub(crate) mod key_file;
pub(crate) mod keys;
#[cfg(feature = "openssl")]
pub(crate) mod openssl_key;
pub(crate) mod pushes;
pub(crate) mod ring;
