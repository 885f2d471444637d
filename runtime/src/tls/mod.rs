//! TLS on any stream, by rustls.
