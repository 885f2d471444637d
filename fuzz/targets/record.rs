//! The program of the target `record`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(record);
