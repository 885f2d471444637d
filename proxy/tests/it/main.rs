//! The whole proxy over loopback: applications and scrapers that speak to it from plain blocking sockets.
#![expect(clippy::duplicate_mod, reason = "each case is compiled for each runtime")]

#[cfg(target_os = "linux")]
mod announced;
mod app;
#[cfg(unix)]
mod credentials;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod documents;
mod logs;
#[cfg(target_os = "linux")]
mod packaged;
mod program;
#[cfg(target_os = "linux")]
mod provoked;
#[cfg(target_os = "linux")]
mod reload;
#[cfg(unix)]
mod signals;
#[cfg(target_os = "linux")]
mod stderr;

#[path = "."]
mod smol {
    use prometheus_rsocket_smol::Smol as Leaf;
    const OPTION: &str = "--runtime=smol";

    #[cfg(unix)]
    mod admission;
    mod bad_input;
    mod balancers;
    mod crowds;
    mod draining;
    mod formats;
    #[cfg(unix)]
    mod keys;
    mod memory;
    mod neighbours;
    mod outcomes;
    mod probes;
    mod pushes;
    mod readers;
    mod scrapes;
    mod status;
    mod storing;
    mod targets;
    mod transports;
    mod world;
}

#[path = "."]
mod tokio {
    use prometheus_rsocket_tokio::Tokio as Leaf;
    const OPTION: &str = "--runtime=tokio";

    #[cfg(unix)]
    mod admission;
    mod bad_input;
    mod balancers;
    mod crowds;
    mod draining;
    mod formats;
    #[cfg(unix)]
    mod keys;
    mod memory;
    mod neighbours;
    mod outcomes;
    mod probes;
    mod pushes;
    mod readers;
    mod scrapes;
    mod status;
    mod storing;
    mod targets;
    mod transports;
    mod world;
}
