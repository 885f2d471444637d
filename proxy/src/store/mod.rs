//! What outlives a connection: the proxy's key and held pushes.

pub(crate) mod disk;
pub(crate) mod keys;
pub(crate) mod pushes;
