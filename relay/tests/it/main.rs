//! The program, against a proxy made of the protocol crate and endpoints on plain blocking sockets.

#[cfg(unix)]
mod documents;
mod endpoint;
mod fetching;
mod filters;
mod log;
#[cfg(unix)]
mod modes;
mod packaged;
mod program;
mod proxies;
#[cfg(target_os = "linux")]
mod stderr;
mod targets;
mod via;
