//! The smol leaf: prometheus-rsocket's [`Runtime`] on smol, that is, on async-executor, async-io and blocking.
//!
//! It implements only the seam; everything else is in `prometheus-rsocket-runtime`.
//!
//! ```
//! use prometheus_rsocket_runtime::{Listener, Runtime};
//! use prometheus_rsocket_smol::Smol;
//!
//! let address = Smol::block_on(None, |runtime| async move {
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
mod workers;

pub use net::{SmolListener, SmolStream};
pub use timer::SmolTimer;

use prometheus_rsocket_runtime::{JobLost, Runtime, dial};
use smol::Executor;
#[cfg(unix)]
use std::path::Path;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    thread,
    time::Instant,
};
use workers::Workers;

/// A handle to a smol executor.
///
/// IO and timers are those of async-io, and jobs run on the threads of blocking. A process has one of each, shared with
/// everything else that uses smol.
#[derive(Clone, Debug)]
pub struct Smol {
    executor: Running,
}

#[derive(Clone, Debug)]
enum Running {
    /// smol's global executor, which has its own threads.
    Global,
    /// Weak, because spawned futures own handles, and the executor owns the futures.
    Own(Weak<Executor<'static>>),
}

impl Smol {
    /// Creates an executor run by `worker_threads` threads, runs the future that `main` returns to completion on this thread,
    /// and drops everything that is still running. `worker_threads` defaults to the number of processors.
    ///
    /// Returns once everything is dropped. It therefore waits for futures that are being polled at that moment, but not for jobs.
    ///
    /// # Errors
    ///
    /// The system provides no threads.
    pub fn block_on<F: Future>(
        worker_threads: Option<usize>,
        main: impl FnOnce(Self) -> F,
    ) -> io::Result<F::Output> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let executor = Arc::new(Executor::new());
        // Dropped, and thereby stopped, before the executor, whether main returns or panics.
        let _workers = Workers::start(&executor, worker_threads.unwrap_or(processors).max(1))?;
        Ok(smol::block_on(main(Self::on(&executor))))
    }

    /// A handle to an executor that the caller runs. Dropping the executor drops what was spawned by this handle.
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        Self { executor: Running::Own(Arc::downgrade(executor)) }
    }

    /// smol's global executor, which `smol::spawn` uses. Its number of threads is set by `SMOL_THREADS`, 1 by default.
    pub fn global() -> Self {
        Self { executor: Running::Global }
    }
}

impl Runtime for Smol {
    type Stream = SmolStream;
    type Listener = SmolListener;
    type Timer = SmolTimer;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> SmolTimer {
        SmolTimer::new()
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        // A panic is kept for the task's awaiter, and there is none.
        match &self.executor {
            Running::Global => smol::spawn(future).detach(),
            Running::Own(executor) => {
                if let Some(executor) = executor.upgrade() {
                    executor.spawn(future).detach();
                }
            }
        }
    }

    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static {
        smol::unblock(|| catch_unwind(AssertUnwindSafe(job)).map_err(|_| JobLost))
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<SmolStream> {
        dial(self, (host, port), net::resolve(host, port), SmolStream::connect).await
    }

    #[cfg(unix)]
    async fn connect_unix(&self, path: &Path) -> io::Result<SmolStream> {
        SmolStream::connect_unix(path).await
    }

    async fn bind(&self, addr: SocketAddr) -> io::Result<SmolListener> {
        SmolListener::bind(addr)
    }
}
