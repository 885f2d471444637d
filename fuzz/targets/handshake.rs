//! The program of the target `handshake`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(handshake);
