//! The simulation as a whole, with as many seeds as fit into half a minute; CI runs more with the program.

mod again;
mod fleets;
mod jump;
#[cfg(planted_faults)]
mod planted;
mod rotation;
mod seeds;
