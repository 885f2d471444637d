//! Tests of the crate from outside: against bytes that others made, against its own contract, and against a model.

mod contract;
mod frames;
mod heard;
mod known_faults;
mod memory;
mod metadata;
mod model;
mod talk;
mod vectors;
mod world;
