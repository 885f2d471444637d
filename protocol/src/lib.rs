//! placeholder, see below
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

pub mod agent;
pub mod collector;
pub mod connection;
pub mod envelope;
pub mod exposition;
pub mod frame;
pub mod framing;
mod machine;
mod payload;

pub use connection::Connection;
pub use machine::Machine;
pub use payload::Payload;
