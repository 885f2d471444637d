//! What outlives a connection: the proxy's key.

pub(crate) mod keys;
