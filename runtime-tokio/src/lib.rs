//! The tokio leaf: prometheus-rsocket's [`Runtime`] on tokio.
//!
//! It implements only the seam; everything else is in `prometheus-rsocket-runtime`.
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

/// A handle to a tokio runtime with its IO and time drivers enabled.
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
}

impl Tokio {
    /// Builds a multi-threaded runtime, runs the future that `main` returns to completion, and drops everything that is still
    /// running. `worker_threads` defaults to the number of processors.
    ///
    /// # Errors
    ///
    /// The runtime could not be built: the system provides no threads or no event queue.
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
            // Jobs compute, except for resolving names: many more threads than processors would only use memory.
            .max_blocking_threads(2 * processors + NAME_THREADS)
            .enable_io()
            .enable_time()
            .build()?;
        let output = runtime.block_on(main(Self { handle: runtime.handle().clone() }));
        // A name server that does not answer must not delay the exit.
        runtime.shutdown_background();
        Ok(output)
    }

    /// The current runtime.
    ///
    /// # Panics
    ///
    /// When called outside of a tokio runtime.
    pub fn current() -> Self {
        Self { handle: Handle::current() }
    }

    /// The current runtime; `None` outside of one.
    pub fn try_current() -> Option<Self> {
        Handle::try_current().ok().map(|handle| Self { handle })
    }
}

impl Runtime for Tokio {
    type Stream = TokioStream;
    type Listener = TokioListener;
    type Timer = TokioTimer;

    fn now(&self) -> Instant {
        // tokio's clock is the one that tests can pause.
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

/// Threads for resolving names while every processor computes.
const NAME_THREADS: usize = 4;
