use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

pub(crate) type Future_ = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A spawned future. It is polled only after it was woken.
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) host: usize,
    /// `None` once it is done or its host has crashed.
    future: Mutex<Option<Future_>>,
    /// Whether it is in the queue, so that another wake-up adds nothing.
    queued: AtomicBool,
    killed: AtomicBool,
    ready: Arc<Ready>,
}

/// The tasks that were woken and not polled yet.
#[derive(Default)]
pub(crate) struct Ready(Mutex<Vec<Arc<Task>>>);

/// The result of polling a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    Done,
    Panicked,
    Pending,
}

impl Ready {
    /// Takes the task at the index that `pick` chooses from their number, if there are any.
    pub(crate) fn take(&self, pick: impl FnOnce(usize) -> usize) -> Option<Arc<Task>> {
        let mut tasks = self.lock();
        let len = tasks.len();
        (len > 0).then(|| tasks.swap_remove(pick(len)))
    }

    pub(crate) fn push(&self, task: Arc<Task>) {
        self.lock().push(task);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    /// A task that is already woken.
    pub(crate) fn new(id: u64, host: usize, future: Future_, ready: Arc<Ready>) -> Arc<Self> {
        Arc::new(Self {
            id,
            host,
            future: Mutex::new(Some(future)),
            queued: AtomicBool::new(true),
            killed: AtomicBool::new(false),
            ready,
        })
    }

    /// Polls the future once. Drops it if it is done or panics.
    pub(crate) fn poll(self: &Arc<Self>) -> Polled {
        self.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(self));
        let mut slot = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(future) = slot.as_mut() else { return Polled::Done };
        let mut cx = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        let polled = match polled {
            Ok(Poll::Pending) if !self.killed.load(Ordering::Relaxed) => return Polled::Pending,
            Ok(_) => Polled::Done,
            Err(_) => Polled::Panicked,
        };
        let over = slot.take();
        drop(slot);
        drop(over);
        polled
    }

    /// Drops the future; if it is being polled, as soon as that is over.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        let over = match self.future.try_lock() {
            Ok(mut slot) => slot.take(),
            Err(TryLockError::Poisoned(slot)) => slot.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        };
        drop(over);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let ready = Arc::clone(&self.ready);
            ready.push(self);
        }
    }
}
