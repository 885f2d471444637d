use std::time::Duration;

/// The limits of a collector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
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
    /// of their text; what is known about their series counts too. Default: 128 MiB.
    pub max_pending_bytes: usize,
    /// Pushes held or being opened. Default: 10,000.
    pub max_pushes: usize,
    /// Bytes of pushes held or being opened, compressed. Default: 64 MiB.
    pub max_push_bytes: usize,
    /// How long a push is held at most. Default: one hour.
    pub push_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_gone: 10_000,
            grace: Duration::from_secs(300),
            max_scrapes: 16,
            max_pending_bytes: 128 * 1024 * 1024,
            max_pushes: 10_000,
            max_push_bytes: 64 * 1024 * 1024,
            push_ttl: Duration::from_secs(3600),
        }
    }
}
