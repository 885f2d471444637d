//! The program of the target `agent`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(agent);
