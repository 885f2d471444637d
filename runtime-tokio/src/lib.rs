//! The tokio leaf: prometheus-rsocket's [`Runtime`] on tokio.
//!
//! There is no more to it than the seam asks for; everything else is in `prometheus-rsocket-runtime`.
//!
//! ```
//! use prometheus_rsocket_runtime::{Listener, Runtime};
//! use prometheus_rsocket_tokio::Tokio;
//!
//! let address = Tokio::block_on(None, |runtime| async move {
//!     let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await?;
//!     listener.local_addr()
//! })??;
//! assert_ne!(address.port(), 0);
//! # Ok::<(), std::io::Error>(())
//! ```

mod net;
#[cfg(test)]
mod tests;
mod timer;

pub use net::{TokioListener, TokioStream};
pub use timer::TokioTimer;

use prometheus_rsocket_runtime::{JobLost, Runtime, dial};
#[cfg(unix)]
use std::path::Path;
use std::{future::Future, io, net::SocketAddr, thread, time::Instant};
use tokio::runtime::{Builder, Handle};

/// A handle to a tokio runtime, on which the IO and time drivers are enabled.
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
}

impl Tokio {
    /// Builds a multi-threaded runtime, runs the future that `main` makes to its end, and drops whatever still runs
    /// then. `worker_threads` is by default the number of processors.
    ///
    /// # Errors
    ///
    /// The runtime could not be built: the system gives no threads or no event queue.
    ///
    /// # Panics
    ///
    /// When called from inside a tokio runtime.
    pub fn block_on<F: Future>(
        worker_threads: Option<usize>,
        main: impl FnOnce(Self) -> F,
    ) -> io::Result<F::Output> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(worker_threads.unwrap_or(processors).max(1))
            // Jobs compute, apart from resolving names: many more threads than processors would only add memory.
            .max_blocking_threads(2 * processors + NAME_THREADS)
            .enable_io()
            .enable_time()
            .build()?;
        let output = runtime.block_on(main(Self { handle: runtime.handle().clone() }));
        // A name server that does not answer must not hold up the exit.
        runtime.shutdown_background();
        Ok(output)
    }

    /// The runtime that this is called on.
    ///
    /// # Panics
    ///
    /// When called outside of one.
    pub fn current() -> Self {
        Self { handle: Handle::current() }
    }

    /// The runtime that this is called on, if it is called on one.
    pub fn try_current() -> Option<Self> {
        Handle::try_current().ok().map(|handle| Self { handle })
    }
}

impl Runtime for Tokio {
    type Stream = TokioStream;
    type Listener = TokioListener;
    type Timer = TokioTimer;

    fn now(&self) -> Instant {
        // tokio's clock, as that is the one which tests can pause.
        tokio::time::Instant::now().into_std()
    }

    fn timer(&self) -> TokioTimer {
        TokioTimer::new(self.clone())
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(future));
    }

    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static {
        let job = self.handle.spawn_blocking(job);
        async move { job.await.map_err(|_| JobLost) }
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TokioStream> {
        dial(self, (host, port), net::resolve(host, port), TokioStream::connect).await
    }

    #[cfg(unix)]
    async fn connect_unix(&self, path: &Path) -> io::Result<TokioStream> {
        TokioStream::connect_unix(path).await
    }

    async fn bind(&self, addr: SocketAddr) -> io::Result<TokioListener> {
        TokioListener::bind(addr)
    }
}

/// Threads kept for resolving names while every processor computes.
const NAME_THREADS: usize = 4;
