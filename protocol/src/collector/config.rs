use std::time::Duration;

/// The limits of a collector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Connections at once, set up or not; 10,000 by default.
    pub max_apps: usize,
    /// Rounds at once; 16 by default.
    pub max_rounds: usize,
    /// Bytes of answers that wait to be opened or handed out, over all rounds; 128 MiB by default. They are
    /// compressed, about a tenth of their text.
    pub max_pending_bytes: usize,
    /// Pushes held or on their way; 10,000 by default.
    pub max_pushes: usize,
    /// Bytes of pushes held, compressed; 64 MiB by default.
    pub max_push_bytes: usize,
    /// How long a push is held at most; one hour by default.
    pub push_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_apps: 10_000,
            max_rounds: 16,
            max_pending_bytes: 128 * 1024 * 1024,
            max_pushes: 10_000,
            max_push_bytes: 64 * 1024 * 1024,
            push_ttl: Duration::from_secs(3600),
        }
    }
}
