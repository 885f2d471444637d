//! RSocket 1.0 as a sans-IO state machine, in both roles, with its metadata extensions.
//!
//! This half of the crate imports none of the modules behind the feature `metrics`, so an embedder that needs only RSocket
//! compiles no cryptography.

pub mod connection;
pub mod frame;
pub mod framing;
mod machine;
pub mod metadata;
mod payload;

pub use connection::Connection;
pub use machine::Machine;
pub use payload::Payload;
