/// The present sizes of a proxy's tables, from [`Watch::tables`](crate::Watch::tables). All are bounded by the configuration, and all are empty when
/// there are no applications, no scrapes and no pushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// Connections of applications, set up or not.
    pub connections: usize,
    /// Connections whose task is running.
    pub inboxes: usize,
    /// Entries of applications: connected ones, and those that have gone within their grace time.
    pub entries: usize,
    /// Requests for metrics under way.
    pub requests: usize,
    /// Scrapes under way.
    pub scrapes: usize,
    /// Scrapes that are being answered.
    pub answers: usize,
    /// Pushes held.
    pub held_pushes: usize,
    /// Pushes being opened.
    pub opening_pushes: usize,
    /// Bytes of pushes held or being opened.
    pub push_bytes: usize,
    /// Bytes of answers and pushes that wait to be opened or handed out.
    pub pending_bytes: usize,
    /// Bytes that connections hold for incomplete frames, and for frames that are not sent.
    pub connection_bytes: usize,
    /// Whether there are jobs that no worker has taken.
    pub has_jobs: bool,
}
