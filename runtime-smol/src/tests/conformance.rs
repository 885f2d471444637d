use crate::Smol;
use prometheus_rsocket_runtime::conformance::Leaf;
use smol::{Executor, block_on};
use std::sync::Arc;

/// As the programs run it.
struct Threads;

impl Leaf for Threads {
    type Runtime = Smol;
    const THREADS: usize = 2;

    fn run<T, F>(main: impl FnOnce(Smol) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        Smol::block_on(Some(Self::THREADS), main).unwrap()
    }
}

/// An executor of the embedder's with a single thread.
struct OneThread;

impl Leaf for OneThread {
    type Runtime = Smol;
    const THREADS: usize = 1;

    fn run<T, F>(main: impl FnOnce(Smol) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let executor = Arc::new(Executor::new());
        block_on(executor.run(main(Smol::on(&executor))))
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
