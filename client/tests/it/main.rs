//! The client library and the relay program, against a proxy made of the protocol crate on plain blocking sockets.

mod library;
mod program;
mod proxy;
