use super::ExpositionErrorKind as Kind;
use super::*;

mod converting;
mod facts;
mod grouping;
mod random;
mod reading;
mod repeating;
mod support;

pub(super) use grouping::grouped;
pub(super) use random::{any_text, crowded};
pub(super) use support::{JOINED, OPEN_METRICS, facts, rendered, source};
