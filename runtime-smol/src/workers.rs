use smol::{
    Executor, block_on,
    channel::{Receiver, Sender, bounded},
};
use std::{
    convert::Infallible,
    io,
    sync::Arc,
    thread::{Builder, JoinHandle},
};

/// Threads that run an executor. Dropping this stops and joins them.
pub(crate) struct Workers {
    /// Closing the channel tells them to stop.
    alive: Option<Sender<Infallible>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(executor: &Arc<Executor<'static>>, count: usize) -> io::Result<Self> {
        let (alive, stopped) = bounded(1);
        let mut workers = Self { alive: Some(alive), threads: Vec::with_capacity(count) };
        for _ in 0..count {
            let (executor, stopped) = (Arc::clone(executor), stopped.clone());
            let thread = Builder::new()
                .name("smol-worker".to_owned())
                .spawn(move || work(&executor, &stopped))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.alive = None;
        for thread in self.threads.drain(..) {
            // A worker does not panic: the executor keeps panics with their tasks.
            let _ = thread.join();
        }
    }
}

/// When there is nothing to run, `smol::block_on` waits for IO and timers.
fn work(executor: &Executor<'_>, stopped: &Receiver<Infallible>) {
    // Nothing is ever received but the closing.
    let _ = block_on(executor.run(stopped.recv()));
}
