//! The program of the target `framing`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(framing);
