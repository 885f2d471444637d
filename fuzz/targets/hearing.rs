//! The program of the target `hearing`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(hearing);
