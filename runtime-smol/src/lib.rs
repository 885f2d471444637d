//! The smol leaf: prometheus-rsocket's [`Runtime`] on smol, that is on async-executor, async-io and blocking.
//!
//! There is no more to it than the seam asks for; everything else is in `prometheus-rsocket-runtime`.
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
/// IO and timers are async-io's, jobs run on blocking's threads; there is one of each in a process, shared with whoever
/// else uses smol.
#[derive(Clone, Debug)]
pub struct Smol {
    executor: Running,
}

#[derive(Clone, Debug)]
enum Running {
    /// smol's global one, which has threads of its own.
    Global,
    /// Weak, since what is spawned owns handles, and the executor owns what is spawned.
    Own(Weak<Executor<'static>>),
}

impl Smol {
    /// Makes an executor that is run by `worker_threads`, runs the future that `main` makes to its end on this thread,
    /// and drops whatever still runs then. `worker_threads` is by default the number of processors.
    ///
    /// It returns when everything is dropped, and so waits for futures that are being polled at that moment, but not
    /// for jobs.
    ///
    /// # Errors
    ///
    /// The system gives no threads.
    pub fn block_on<F: Future>(
        worker_threads: Option<usize>,
        main: impl FnOnce(Self) -> F,
    ) -> io::Result<F::Output> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let executor = Arc::new(Executor::new());
        // Dropped, and with that at rest, before the executor, whether main returns or panics.
        let _workers = Workers::start(&executor, worker_threads.unwrap_or(processors).max(1))?;
        Ok(smol::block_on(main(Self::on(&executor))))
    }

    /// A handle to an executor that the caller runs. Where that is dropped, what is spawned by this handle is dropped too.
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        Self { executor: Running::Own(Arc::downgrade(executor)) }
    }

    /// smol's global executor, which `smol::spawn` uses. It has as many threads as `SMOL_THREADS` says, 1 by default.
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
        // A panic is kept for whoever awaits the task, which is nobody.
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
