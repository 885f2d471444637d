//! To be written.

pub mod config;
pub mod gzip;
pub mod http;
pub mod shutdown;
pub mod telemetry;
