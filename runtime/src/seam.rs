use futures_io::{AsyncRead, AsyncWrite};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::Path,
    sync::OnceLock,
    task::{Context, Poll},
    thread,
    time::{Instant, SystemTime},
};

/// What an async runtime has to provide. Everything else is written once, against this trait.
///
/// A value is a cheap handle to one runtime. Its futures, streams, listeners and timers must be polled on that runtime only.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connection. [`poll_close`](AsyncWrite::poll_close) ends the outgoing direction and leaves the incoming one open.
    /// Vectored writes write more than the first slice.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// A socket that accepts connections.
    type Listener: Listener<Stream = Self::Stream>;

    /// A timer that can be armed repeatedly.
    type Timer: Timer;

    /// Returns the time on this runtime's clock, which may differ from the machine's: tests stop it or let it jump.
    fn now(&self) -> Instant;

    /// Returns a timer that is not armed yet.
    fn timer(&self) -> Self::Timer;

    /// Runs `future` to completion in the background. Only the end of the runtime cancels it, by dropping it. A panic ends only that future.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);

    /// Runs `job`, which computes for a long time or blocks, on a thread where it delays no future.
    ///
    /// Dropping the returned future abandons the result; the job may still run.
    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static;

    /// Opens a TCP connection to `host`, a name or a literal address (an IPv6 address without brackets), with `TCP_NODELAY`
    /// set. If a name has several addresses, all are tried, as by [`dial`](crate::dial). There is no time limit; use
    /// [`timeout`](crate::timeout).
    ///
    /// # Errors
    ///
    /// The text names the host, and each address with the reason.
    fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Opens a connection to a Unix socket. There is no time limit.
    ///
    /// # Errors
    ///
    /// The text names the path. [`Unsupported`](io::ErrorKind::Unsupported) if there are no Unix sockets: on other systems, and in simulations.
    fn connect_unix(&self, path: &Path) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        let text = format!("{}: there are no Unix sockets here", path.display());
        std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, text)))
    }

    /// Fills `bytes` with randomness that is suitable for keys: the system's, unless a run must be repeatable.
    ///
    /// # Errors
    ///
    /// The system provides no randomness.
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::other)
    }

    /// Returns how many jobs can run at the same time, each on its own processor; at least 1. The system is asked once: on
    /// Linux, that reads the control group's files.
    fn parallelism(&self) -> usize {
        static PARALLELISM: OnceLock<usize> = OnceLock::new();
        *PARALLELISM.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
    }

    /// Returns the time of day, for display only; `None` if a run must be repeatable.
    #[expect(clippy::disallowed_methods, reason = "nothing is decided by it")]
    fn time_of_day(&self) -> Option<SystemTime> {
        Some(SystemTime::now())
    }

    /// Listens on `addr`. Port 0 takes a free port, which [`Listener::local_addr`] returns. The queue of connections not yet
    /// accepted is as long as the system allows.
    fn bind(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;
}

/// A socket that accepts connections. Dropping it closes it.
pub trait Listener: Send + Sync + 'static {
    /// The type of a connection.
    type Stream;

    /// Returns the next connection, with `TCP_NODELAY` set, and the peer's address.
    ///
    /// An error concerns a single connection, or is a temporary shortage (of file descriptors, for example): wait a moment and
    /// accept again. Dropping the future loses no connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Returns the address of the listener, with its actual port.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A timer that can be armed repeatedly at little cost.
pub trait Timer: Send + Sync + Unpin + 'static {
    /// Replaces the current deadline. Call [`poll`](Self::poll) afterwards; wake-ups are unspecified until then.
    fn reset(&mut self, deadline: Instant);

    /// Is ready from the deadline until the next [`reset`](Self::reset). Never ready before the deadline has passed on the
    /// runtime's clock, but possibly later. A timer that was never armed stays pending.
    ///
    /// Wakes a pending task once. If it was polled with several wakers, only the last one is woken.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A job of [`Runtime::unblock`] has no result: it panicked, or the runtime ended before running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLost;

impl std::fmt::Display for JobLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the job panicked, or its runtime ended first")
    }
}

impl std::error::Error for JobLost {}
