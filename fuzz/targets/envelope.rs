//! The program of the target `envelope`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(envelope);
