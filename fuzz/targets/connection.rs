//! The program of the target `connection`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(connection);
