//! The program of the target `text`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(text);
