//! To be written.

pub mod config;
pub mod gzip;
pub mod telemetry;
