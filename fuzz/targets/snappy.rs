//! The program of the target `snappy`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(snappy);
