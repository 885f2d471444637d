//! To be written.

pub mod gzip;
