//! The whole proxy over loopback: applications and scrapers that speak to it from plain blocking sockets.

mod app;
mod bad_input;
mod program;
mod pushes;
mod scrapes;
mod world;
