//! The program of the target `resume`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(resume);
