//! The proxy at work: the collector behind the hub's lock, the workers that do its jobs, and scrapes on their way to a scraper.

pub(crate) mod admission;
pub(crate) mod admitting;
pub(crate) mod app_metrics;
pub(crate) mod backend;
pub(crate) mod collisions;
mod grouped;
pub(crate) mod hub;
pub(crate) mod inbox;
mod joined;
pub(crate) mod leaving;
pub(crate) mod looks;
pub(crate) mod memory;
pub(crate) mod render;
pub(crate) mod rotation;
pub(crate) mod scrape;
pub(crate) mod session;
pub(crate) mod storing;
pub(crate) mod tables;
pub(crate) mod turns;
pub(crate) mod workers;

pub use collisions::Collisions;
pub use tables::Tables;
