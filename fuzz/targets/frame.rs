//! The program of the target `frame`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(frame);
