//! To be written.

pub mod gzip;
pub mod telemetry;
