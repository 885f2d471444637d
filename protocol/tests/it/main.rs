//! Tests of the crate from outside, against bytes that others made.

mod vectors;
