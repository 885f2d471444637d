//! Code that tests, fuzz targets and examples share: they compare the same code with the same models.
//!
//! | module | |
//! |---|---|
//! | [`world`] | two connections with owners, drivers and a transport that carry out a list of operations, each held against a reference model |
//! | [`echo`] | what the echo servers of the examples and of the interop runs answer |
//! | [`heard`] | what one connection makes of bytes, however they are cut |
//! | [`documents`] | tables and code in the project's documents, to be held against the programs |
//! | [`source`] | the messages of log lines, read from source code |
//! | [`vectors`] | golden bytes that other implementations made |
//! | `unwrapping` (the feature `envelope`) | what every implementation of RSA must do |
//! | `proxy` (a feature) | a proxy on plain blocking sockets, which does what a test tells it |

pub mod documents;
pub mod echo;
pub mod heard;
mod model;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod source;
#[cfg(feature = "envelope")]
pub mod unwrapping;
pub mod vectors;
pub mod world;
