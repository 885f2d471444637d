//! Tests of the crate from outside, against bytes that others made.

mod contract;
mod frames;
mod vectors;
mod world;
