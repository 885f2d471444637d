//! Tests of the crate from outside: against bytes that others made, and against its own contract.

mod contract;
mod frames;
mod metadata;
mod vectors;
mod world;
