//! Faults that other implementations of RSocket had, row by row of the project's list of them, each with a test that fails where
//! we have it. A row's first line names an issue that tells of it.
//!
//! Of some rows a part is at home elsewhere: joining the messages of a WebSocket (16) in `runtime`, composite metadata and
//! authentication (17) with the metadata codecs, wrapping stream ids (12), which no test reaches from outside, beside the code.

#[cfg(feature = "metrics")]
mod agent;
mod limits;
mod order;
mod setup;
mod streams;
mod time;
