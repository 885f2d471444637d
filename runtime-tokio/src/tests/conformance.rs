use crate::Tokio;
use prometheus_rsocket_runtime::conformance::Leaf;
use std::time::Duration;
use tokio::runtime::Builder;

/// As the programs run it.
struct Threads;

impl Leaf for Threads {
    type Runtime = Tokio;
    const THREADS: usize = 2;

    fn run<T, F>(main: impl FnOnce(Tokio) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        Tokio::block_on(Some(Self::THREADS), main).unwrap()
    }
}

/// A runtime of the embedder's with a single thread.
struct OneThread;

impl Leaf for OneThread {
    type Runtime = Tokio;
    const THREADS: usize = 1;

    fn run<T, F>(main: impl FnOnce(Tokio) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let output = runtime.block_on(async { main(Tokio::current()).await });
        runtime.shutdown_background();
        output
    }
}

/// A clock that jumps from timer to timer. It would jump even while sockets are waited for.
struct Paused;

impl Leaf for Paused {
    type Runtime = Tokio;
    /// tokio's timers have a resolution of 1 ms.
    const LATENESS: Option<Duration> = Some(Duration::from_millis(1));
    const THREADS: usize = 1;

    fn run<T, F>(main: impl FnOnce(Tokio) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let runtime =
            Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { main(Tokio::current()).await })
    }
}

mod threads {
    use super::*;
    prometheus_rsocket_runtime::conformance_suite!(Threads);
}

mod one_thread {
    use super::*;
    prometheus_rsocket_runtime::conformance_suite!(OneThread);
}

mod paused {
    use super::*;
    prometheus_rsocket_runtime::conformance_suite!(Paused: tasks, timers);
}
