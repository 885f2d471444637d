//! The proxy's own metrics and log lines.

pub(crate) mod census;
pub(crate) mod notices;
pub(crate) mod probes;
pub mod telemetry;
pub(crate) mod throttle;
