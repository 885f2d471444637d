//! Listeners, and the steps before a connection is served.

pub(crate) mod acceptor;
pub(crate) mod bind;
pub(crate) mod forwarded;
pub(crate) mod places;
pub(crate) mod reserve;
pub(crate) mod rsocket;
pub(crate) mod slots;
pub(crate) mod websocket;

pub use bind::StartError;
