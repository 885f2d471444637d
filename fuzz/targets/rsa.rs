//! The program of the target `rsa`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(rsa);
