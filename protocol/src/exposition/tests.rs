use super::ExpositionErrorKind as Kind;
use super::*;

mod reading;
mod support;
