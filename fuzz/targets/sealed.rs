//! The program of the target `sealed`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(sealed);
