use super::ExpositionErrorKind as Kind;
use super::*;

mod converting;
mod facts;
mod grouping;
mod random;
mod reading;
mod repeating;
mod support;
