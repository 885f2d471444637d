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

/// What an async runtime has to supply, and nothing else. Everything on top is written once, against this.
///
/// A value is a cheap handle to one runtime. The futures that it hands out, and its streams, listeners and timers, are
/// to be polled on that runtime only.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connection, of which [`poll_close`](AsyncWrite::poll_close) sends the end of the stream and leaves the reading
    /// half open. Its vectored writes are real ones: they write more than the first slice.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// A socket that accepts connections.
    type Listener: Listener<Stream = Self::Stream>;

    /// A timer that can be armed again and again.
    type Timer: Timer;

    /// The time on this runtime's clock, which need not be the machine's: tests stop it or let it jump.
    fn now(&self) -> Instant;

    /// A timer that is not armed yet.
    fn timer(&self) -> Self::Timer;

    /// Runs `future` to its end in the background. It is detached: nothing cancels it, save the end of the runtime, which
    /// drops it. A panic ends that future only.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);

    /// Runs `job`, which computes for long or blocks, on a thread where it holds up no other future.
    ///
    /// Dropping the future abandons the result; the job itself may run or not.
    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static;

    /// Opens a TCP connection to `host`, a name or a literal address (an IPv6 one without
    /// brackets), with `TCP_NODELAY` set. Where a name has several addresses, all are tried, as [`dial`](crate::dial) does it. There is
    /// no time limit; put [`timeout`](crate::timeout) around it.
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
    /// The text names the path. [`Unsupported`](io::ErrorKind::Unsupported) where there are no such sockets: on other systems than Unix, and in
    /// simulations.
    fn connect_unix(&self, path: &Path) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        let text = format!("{}: there are no Unix sockets here", path.display());
        std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, text)))
    }

    /// Fills `bytes` with randomness that is fit for keys: the system's, save where a run must be repeatable.
    ///
    /// # Errors
    ///
    /// The system has none to give.
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::other)
    }

    /// How many jobs can run at the same time, each on a processor of its own; at least one. It is asked of the system once: on Linux
    /// that means to read the files of the control group.
    fn parallelism(&self) -> usize {
        static PARALLELISM: OnceLock<usize> = OnceLock::new();
        *PARALLELISM.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
    }

    /// The time of day, for what people are told; `None` where a run must be repeatable.
    #[expect(clippy::disallowed_methods, reason = "nothing is decided by it")]
    fn time_of_day(&self) -> Option<SystemTime> {
        Some(SystemTime::now())
    }

    /// Listens on `addr`; port 0 takes a free one, which [`Listener::local_addr`] tells. The queue of connections not
    /// yet accepted is as long as the system allows.
    fn bind(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;
}

/// A socket that accepts connections. Dropping it closes it.
pub trait Listener: Send + Sync + 'static {
    /// What is accepted.
    type Stream;

    /// The next connection, with `TCP_NODELAY` set, and the peer's address.
    ///
    /// An error concerns a single connection, or is a shortage that passes (of file descriptors, say): wait a moment
    /// and accept again. Dropping the future loses no connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// The address that is listened on, with its real port.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A timer that can be armed again and again, at little cost.
pub trait Timer: Send + Sync + Unpin + 'static {
    /// Arms the timer for `deadline` in place of what it was armed for. Poll it then: until that, a wake-up may come or not.
    fn reset(&mut self, deadline: Instant);

    /// Ready from the deadline on, and then until the next [`reset`](Self::reset); never before the deadline has
    /// passed on the runtime's clock, but possibly after. A timer that was never armed stays pending.
    ///
    /// Who was pending is woken, once; of several wakers only the last one.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A job given to [`Runtime::unblock`] brought no result: it panicked, or the runtime ended before it was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLost;

impl std::fmt::Display for JobLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the job panicked, or its runtime ended first")
    }
}

impl std::error::Error for JobLost {}
