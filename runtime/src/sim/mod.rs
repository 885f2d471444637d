//! A runtime whose clock and network are made from a seed.
