//! The HTTP side: what Prometheus scrapes, and what people and orchestrators look at.
//!
//! [`Router`] turns requests into answers, and knows neither sockets nor clocks. `serve` runs it on hyper, over any
//! [`Runtime`](prometheus_rsocket_runtime::Runtime). A [`Backend`] supplies the contents of the answers.
//!
//! The metrics of all applications are never held as a whole: they pass through a [`ScrapeBody`], piece by piece.

mod backend;
mod body;
mod discovery;
mod format;
mod guard;
mod negotiate;
mod pace;
mod pages;
mod places;
mod router;
mod server;

pub use backend::{AppFailure, Backend, Readiness, ScrapeRefused, ScrapeRequest};
pub use body::{AnswerBody, BodyAborted, BodySender, Delivery, ScrapeBody, ScraperGone};
pub use discovery::Listed;
pub use format::Negotiated;
pub use negotiate::ScrapeTimeouts;
pub(crate) use places::Places;
pub use router::{Client, Pages, Router, TargetAddress};
pub use server::Limits;
pub(crate) use server::{Listening, serve};

#[cfg(test)]
mod tests;
