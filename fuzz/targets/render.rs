//! The program of the target `render`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(render);
