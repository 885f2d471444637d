//! The program of the target `session`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(session);
