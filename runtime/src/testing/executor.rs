use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A future that is polled by hand, and only after it was woken.
pub(crate) struct Task<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    flag: Arc<Flag>,
    waker: Waker,
    output: Option<T>,
}

impl<T> Task<T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'static) -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        Self { future: Box::pin(future), waker: flag.clone().into(), flag, output: None }
    }

    /// The output of the future, if it is done.
    pub(crate) fn output(&mut self) -> Option<T> {
        self.output.take()
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::SeqCst)
    }
}

pub(crate) trait Runnable {
    /// Polls once if it was woken. Returns whether it was.
    fn step(&mut self) -> bool;
}

impl<T: 'static> Runnable for Task<T> {
    fn step(&mut self) -> bool {
        if self.output.is_some() || !self.flag.0.swap(false, Ordering::SeqCst) {
            return false;
        }
        if let Poll::Ready(output) =
            self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
        {
            self.output = Some(output);
            // A finished future is dropped, as by an executor.
            self.future = Box::pin(std::future::pending());
        }
        true
    }
}

/// Polls woken tasks in turn until none is woken.
#[track_caller]
pub(crate) fn run(tasks: &mut [&mut dyn Runnable]) {
    for _ in 0..STEPS_MAX {
        let mut any = false;
        for task in &mut *tasks {
            any |= task.step();
        }
        if !any {
            return;
        }
    }
    panic!("the tasks never come to rest");
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

const STEPS_MAX: usize = 1_000_000;
