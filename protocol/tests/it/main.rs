//! Tests of the crate from outside: against bytes that others made, against its own contract, and against a model.

mod contract;
mod frames;
mod known_faults;
mod layers;
mod memory;
mod metadata;
mod ops;
mod runs;
mod sealed;
mod sealed_by_hand;
mod talk;
mod unwrapping;
mod vectors;
