//! The program of the target `websocket`.
#![cfg_attr(fuzzing, no_main)]

prometheus_rsocket_fuzz::program!(websocket);
