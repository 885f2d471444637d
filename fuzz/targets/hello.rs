//! The program of the target `hello`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(hello);
