//! The program of the target `metadata`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(metadata);
