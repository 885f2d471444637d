use crate::envelope::PLAINTEXT;
use bytes::Bytes;
use std::time::Duration;

/// The limits of a collector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The public key that applications are sent: SPKI DER, or `plaintext`, which is the default (see
    /// [`envelope`](crate::envelope)).
    pub key: Bytes,
    /// The lowest accepted version of the envelope. Applications that cannot seal in it are turned away. Default: 1.
    pub min_envelope: u8,
    /// Whether an application is served only once [`Collector::handle_admission`](super::Collector::handle_admission) has
    /// admitted it. Default: no.
    pub admission: bool,
    /// The maximum number of applications that wait to be admitted; further ones are turned away. Each holds its hello and its
    /// token, at most 12 KiB. Default: 1,024.
    pub max_admissions: usize,
    /// The maximum number of connections, set up or not. Default: 10,000.
    pub max_connections: usize,
    /// The maximum number of entries of applications that are gone. Beyond it, the one that went first is forgotten early.
    /// Entries with pushes do not count: they have the limits of pushes. Default: 10,000.
    pub max_gone: usize,
    /// How long the entry of an application that is gone is kept for it to return to. Default: 5 minutes.
    pub grace: Duration,
    /// The maximum number of scrapes under way. Default: 16.
    pub max_scrapes: usize,
    /// The maximum size in bytes of answers that wait to be opened or handed out, over all scrapes. Answers are compressed, to
    /// about a tenth of their text; what is known about their series counts, too. Pushes do not count. Default: 128 MiB.
    pub max_pending_bytes: usize,
    /// The maximum number of pushes held or being opened, over all applications. Default: 10,000.
    pub max_pushes: usize,
    /// The maximum compressed size in bytes of pushes held or being opened, over all applications. Default: 64 MiB.
    pub max_push_bytes: usize,
    /// The maximum number of pushes of one application being opened. Default: 4.
    pub max_app_opening: usize,
    /// The maximum compressed size in bytes of one application's pushes, held or being opened. Default: 16 MiB, a quarter of
    /// [`max_push_bytes`](Self::max_push_bytes).
    pub max_app_push_bytes: usize,
    /// The maximum number of held pushes of one application. Entries that are merged may have more together. Default: 16.
    pub max_app_pushes: usize,
    /// Which of an application's pushes are kept. Default: [`PushKeep::Last`].
    pub push_keep: PushKeep,
    /// Whether a push is held and acknowledged only once it is stored: see
    /// [`Collector::poll_store`](super::Collector::poll_store). Default: no.
    pub stores_pushes: bool,
    /// The sustained rate at which one application may push, per second; 0 counts as 1. Default: 10.
    pub app_push_rate: u32,
    /// The number of pushes that one application may make at once after a pause; 0 counts as 1. Default: 50.
    pub app_push_burst: u32,
    /// How long a push is held at most. Default: one hour.
    pub push_ttl: Duration,
}

/// Which of an application's pushes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKeep {
    /// A later push replaces an earlier one if it has all of its series.
    Last,
    /// No push replaces another.
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
