use crate::envelope::PLAINTEXT;
use bytes::Bytes;
use std::time::Duration;

/// The limits of a collector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The public key that applications are sent: SPKI DER, or `plaintext`, which is the default (see [`envelope`](crate::envelope)).
    pub key: Bytes,
    /// Applications that cannot seal in this version of the envelope are turned away. Default: 1.
    pub min_envelope: u8,
    /// Whether an application is served only once [`Collector::handle_admission`](super::Collector::handle_admission) admits it.
    /// Default: no.
    pub admission: bool,
    /// Applications that wait for that at once; more are turned away. Each holds its hello and its token, at most 12 KiB. Default: 1,024.
    pub max_admissions: usize,
    /// Connections at once, set up or not. Default: 10,000.
    pub max_connections: usize,
    /// Entries of applications that are gone. Beyond it the one that went first is forgotten early, except where a push is
    /// held for it: those have the limits of pushes. Default: 10,000.
    pub max_gone: usize,
    /// How long the entry of an application that is gone is kept, for it to come back to. Default: 5 minutes.
    pub grace: Duration,
    /// Scrapes at once. Default: 16.
    pub max_scrapes: usize,
    /// Bytes of answers that wait to be opened or handed out, over all scrapes. Answers are compressed, to about a tenth
    /// of their text; what is known about their series counts too. Pushes do not. Default: 128 MiB.
    pub max_pending_bytes: usize,
    /// Pushes held or being opened, over all applications. Default: 10,000.
    pub max_pushes: usize,
    /// Bytes of pushes held or being opened, over all applications, compressed. Default: 64 MiB.
    pub max_push_bytes: usize,
    /// Pushes of one application that are being opened at once. Default: 4.
    pub max_app_opening: usize,
    /// Bytes of one application's pushes, held or being opened, compressed. Default: 16 MiB, a quarter of
    /// [`max_push_bytes`](Self::max_push_bytes).
    pub max_app_push_bytes: usize,
    /// Pushes of one application that are held at once. Entries that become one may have more together. Default: 16.
    pub max_app_pushes: usize,
    /// Which of an application's pushes are kept. Default: [`PushKeep::Last`].
    pub push_keep: PushKeep,
    /// Whether a push is held, and acknowledged, only once it is stored: see [`Collector::poll_store`](super::Collector::poll_store).
    /// Default: no.
    pub stores_pushes: bool,
    /// How often one application may push, in pushes a second over a longer time; 0 counts as 1. Default: 10.
    pub app_push_rate: u32,
    /// How many pushes of one application are taken at once after a rest; 0 counts as 1. Default: 50.
    pub app_push_burst: u32,
    /// How long a push is held at most. Default: one hour.
    pub push_ttl: Duration,
}

/// Which of an application's pushes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKeep {
    /// A later push replaces an earlier one if it has every series of it.
    Last,
    /// No push replaces another one.
    All,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            key: Bytes::from_static(PLAINTEXT),
            min_envelope: 1,
            admission: false,
            max_admissions: 1024,
            max_connections: 10_000,
            max_gone: 10_000,
            grace: Duration::from_secs(300),
            max_scrapes: 16,
            max_pending_bytes: 128 * 1024 * 1024,
            max_pushes: 10_000,
            max_push_bytes: 64 * 1024 * 1024,
            max_app_opening: 4,
            max_app_push_bytes: 16 * 1024 * 1024,
            max_app_pushes: 16,
            push_keep: PushKeep::Last,
            stores_pushes: false,
            app_push_rate: 10,
            app_push_burst: 50,
            push_ttl: Duration::from_secs(3600),
        }
    }
}
