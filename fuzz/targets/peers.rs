//! The program of the target `peers`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(peers);
