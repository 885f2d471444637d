//! What the proxy shows to people: the applications, the rounds, the pushes and the limits, as a page and as JSON.
//!
//! ```text
//!   hub, under its lock ── copies ──▶ Seen ── select: classify, filter, sort, cut into pages ──▶ Overview ──▶ HTML
//!   service, History ────────────────▶                                                                    └─▶ JSON
//! ```
//!
//! Under the lock the entries are copied and nothing else is done; all the rest happens on a thread of its own, when somebody asks. As long as
//! nobody does, the only work is to note each round and each departure in a ring of fixed size (`History`).

mod classify;
pub(crate) mod csp;
mod data;
mod gather;
mod history;
pub(crate) mod html;
mod query;
mod select;

pub use data::*;
pub(crate) use gather::{Around, Certificate, Seen, SeenApp, SeenLimits, app_page, overview};
pub(crate) use history::{History, Round};
pub use query::{BadQuery, Query, Sort, SortKey, StateFilter};

#[cfg(test)]
mod tests;
